import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SERVICES } from "../../../planning/network-policy/index.ts";
import { freePort } from "../../support/sshd.ts";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { SUBNET } from "../support/cluster-file.ts";
import { whileForwarded } from "../support/forward.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { type Place, usersNetwork } from "../support/users-network.ts";

const { bridge, login, loginAddress, there, userAddress } = usersNetwork;

/** Every service of a controller, and what else listens there or is wanted often. */
const PORTS = [
  ...new Set([
    ...SERVICES.filter(({ on, protocol }) => on === "controller" && protocol === "tcp").flatMap(
      ({ ports: [first] }) => [first],
    ),
    ...[53, 80, 111, 443, 3306, 6818, 8888, 40_000],
  ]),
];

/** How users come to the login machine: at an address in their own network, and at a port of the host. */
export function access(cluster: ClusterUnderTest): void {
  const { base, controller, first, lab } = cluster;
  const cards = () => hypervisor.shell(controller, "ls /sys/class/net");

  describe("the way in for users", () => {
    beforeAll(() => usersNetwork.make());
    afterAll(() => usersNetwork.remove());

    it("is an address in their network, which comes while everything runs", async () => {
      const node = await lab.ssh(`getent hosts ${first} | cut -d' ' -f1`);
      await cluster.change(
        { ...base, access: { lan: { bridge, address: login } } },
        { [controller]: "live" },
      );
      // From the host, which has an address there, with the configuration that is printed from now on.
      await lab.openSsh();
      const said = await lab.ssh("id -un; hostname; echo $SSH_CONNECTION", undefined, there);
      const [user, host, connection = ""] = said.split("\n");
      expect([user, host]).toEqual(["ada", controller]);
      expect(connection).toMatch(new RegExp(`^${userAddress} \\d+ ${loginAddress} 22$`));
      const places = PORTS.map((port): Place => [loginAddress, port]);
      expect(await usersNetwork.reached(places)).toEqual([[loginAddress, 22]]);

      await usersNetwork.routeThroughLogin(`${SUBNET}.0/24`);
      const further = [`${SUBNET}.1`, `${SUBNET}.2`, node].flatMap((address) =>
        [22, 53, 6817, 6818].map((port): Place => [address, port]),
      );
      expect(await usersNetwork.reached(further)).toEqual([]);
      const refused = await lab.onNode(first, "true", undefined, there);
      expect(refused.code).toBe(255);
      expect(refused.output).toContain("you have no active jobs on this node");
      // The machine's own way out is the one that it had.
      expect(await hypervisor.shell(controller, "ip -4 route show default")).toMatch(/^default .* dev eth0 /);
    });

    it("is a port of the host instead, and the address goes while everything runs", async () => {
      const port = await freePort();
      const listen = "127.0.0.1";
      await cluster.change({ ...base, access: { forward: { port, listen } } }, { [controller]: "live" });
      expect(await cards()).not.toContain("login0");
      expect(await usersNetwork.reached([[loginAddress, 22]])).toEqual([]);
      await whileForwarded({ cluster: lab.name, port, listen, target: `${SUBNET}.2` }, async () => {
        await lab.openSsh();
        const [user, connection = ""] = (await lab.ssh("id -un; echo $SSH_CONNECTION")).split("\n");
        expect(user).toBe("ada");
        // The login machine sees the host, as the documentation says.
        expect(connection).toMatch(new RegExp(`^${SUBNET}\\.1 \\d+ ${SUBNET}\\.2 22$`));
        expect((await lab.onNode(first, "true")).output).toContain("you have no active jobs on this node");
      });
    });

    it("is the cluster's own network again", async () => {
      await cluster.change(base, {});
      await lab.openSsh();
      expect(await lab.ssh("hostname")).toBe(controller);
    });
  });
}
