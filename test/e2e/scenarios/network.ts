import { createConnection } from "node:net";
import { describe, expect, it } from "vitest";
import { answers, SERVICES, servicesOf } from "../../../planning/network-policy/index.ts";
import type { NodeRole } from "../../../planning/plan.ts";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { SUBNET } from "../support/cluster-file.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { eventually } from "../support/program.ts";

/** Every edge of the table, and what services elsewhere use. */
const PORTS = [
  ...new Set([
    ...SERVICES.flatMap(({ ports: [first, last] }) => [first, last]),
    ...[
      21, 23, 25, 53, 80, 111, 139, 443, 445, 631, 873, 3306, 5432, 6819, 8080, 8443, 8888, 20_048, 32_767,
      40_000,
    ],
  ]),
].sort((a, b) => a - b);

/** Ports of a job's own servers on the second node: the table lets jobs use the first, not the other. */
const [IN_TABLE, NOT_IN_TABLE] = [40_000, 8888];

/** TCP ports at which something listens beyond the loopback device, whatever the firewall says. */
const LISTENS: Readonly<Record<NodeRole, readonly number[]>> = {
  controller: [22, 2049, 6817, 6819],
  compute: [22, 6818, IN_TABLE, NOT_IN_TABLE],
};

const LISTEN = `import socket, time
socks = [socket.create_server(("", port)) for port in (${IN_TABLE}, ${NOT_IN_TABLE})]
open("listens", "w").close()
time.sleep(1800)
`;
const SCAN = `import concurrent.futures, json, socket, sys
def reached(port):
    try:
        socket.create_connection((sys.argv[1], port), timeout=20).close()
    except OSError:
        return None
    return port
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(json.dumps([port for port in pool.map(reached, json.loads(sys.argv[2])) if port]))
`;

/** Whether an address accepts a connection from the host, which is no machine of the cluster. */
function acceptsHost(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: address, port, timeout: 5000 });
    const end = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

/** Who reaches what, and who logs in where. */
export function network(cluster: ClusterUnderTest): void {
  const { controller, first, lab, second, slurm } = cluster;

  describe("the network", () => {
    it("shows a job of an ordinary user exactly what the table says", async () => {
      await lab.ssh(
        `rm -f listens; cat > listen.py <<'END'\n${LISTEN}END\ncat > scan.py <<'END'\n${SCAN}END`,
      );
      const listening = await slurm.submit(`-N1 -w ${second} --wrap 'python3 listen.py'`);
      try {
        await slurm.running(listening);
        for (const [machine, role] of [
          [controller, "controller"],
          [second, "compute"],
        ] as const) {
          const wait = "until [ -e listens ]; do sleep 1; done";
          const found = await lab.ssh(
            `${wait}; srun -N1 -w ${first} python3 scan.py ${machine} '${JSON.stringify(PORTS)}'`,
          );
          const services = servicesOf(role, { kind: "controller" });
          const expected = PORTS.filter(
            (port) => LISTENS[role].includes(port) && answers(services, "tcp", port, "machine"),
          );
          expect(JSON.parse(found.split("\n").at(-1) ?? ""), machine).toEqual(expected);
        }
      } finally {
        await lab.ssh(`scancel ${listening}; rm -f listens listen.py scan.py`);
      }
    });

    it("shows a stranger SSH of the controller and nothing else", async () => {
      expect(await acceptsHost(`${SUBNET}.2`, 22)).toBe(true);
      const address = await lab.ssh(`getent hosts ${first} | cut -d' ' -f1`);
      for (const [host, port] of [
        [`${SUBNET}.2`, 6817],
        [`${SUBNET}.2`, 2049],
        [address, 22],
        [address, 6818],
      ] as const) {
        expect(await acceptsHost(host, port), `${host}:${port}`).toBe(false);
      }
    });

    it("carries nothing of a machine with the address or the MAC of another", async () => {
      const ping = `ping -c 2 -W 4 ${SUBNET}.2 > /dev/null`;
      const reached = `&& echo reached || echo silent`;
      expect(await hypervisor.shell(second, `${ping} ${reached}`)).toBe("reached");
      const address = `ip address add ${SUBNET}.199/24 dev eth0; trap 'ip address del ${SUBNET}.199/24 dev eth0' EXIT`;
      const asAnother = `ping -I ${SUBNET}.199 -c 2 -W 4 ${SUBNET}.2 > /dev/null`;
      expect(await hypervisor.shell(second, `${address}; ${asAnother} ${reached}`)).toBe("silent");
      // Should the shell not come to its end, the timer gives the card its own MAC again.
      const mac =
        "own=$(cat /sys/class/net/eth0/address); give() { ip link set dev eth0 address $1; }; trap 'give $own' EXIT; " +
        "systemd-run --quiet --on-active=20 ip link set dev eth0 address $own; give 02:1f:00:00:00:99";
      expect(await hypervisor.shell(second, `${mac}; ${ping} ${reached}`)).toBe("silent");
      await eventually(
        `${second} reaches the controller again`,
        60,
        () => hypervisor.shell(second, `${ping} ${reached}`),
        (said) => said === "reached",
      );
      await slurm.idle(second);
    });

    it("lets a user onto a node only into a job", async () => {
      const refused = await lab.onNode(first, "true");
      expect(refused.code).toBe(255);
      expect(refused.output).toContain("you have no active jobs on this node");
      const job = await slurm.submit(`-N1 -w ${first} --wrap 'sleep 600'`);
      try {
        await slurm.running(job);
        const inside = await lab.onNode(first, "cat /proc/self/cgroup");
        expect(inside).toMatchObject({ code: 0 });
        expect(inside.output).toMatch(new RegExp(`/job_${job}/step_extern`));
        const other = await lab.onNode(second, "true");
        expect(other.code).toBe(255);
      } finally {
        await lab.ssh(`scancel ${job}`);
      }
      await slurm.idle(first);
      expect((await lab.onNode(first, "true")).code).toBe(255);
    });
  });
}
