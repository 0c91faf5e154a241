import { describe, expect, it } from "vitest";
import { type ClusterUnderTest, changes } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";

const CONFIGURATION = "/run/slurm/conf/slurm.conf";
const KEYS = "/etc/slurm/slurm.jwks";

/** A node that somebody stops for a time, and everything that changes meanwhile: keys, limits, SLURM by hand. */
export function heldNode(cluster: ClusterUnderTest): void {
  const { administrator, base, controller, first, lab, second, slurm } = cluster;
  const hyperlab = (...args: string[]) => lab.hyperlab(...args);

  /** The host key that a machine's sshd shows. */
  const served = (machine: string): Promise<string> =>
    hypervisor.shell(machine, "ssh-keyscan -q -T 60 -t ed25519 127.0.0.1 | cut -d' ' -f3");
  /** Everything that lets somebody in to a machine as, or make it known as, what it is. */
  const sshKeys = async (machine: string): Promise<string[]> => [
    await served(machine),
    await hypervisor.shell(machine, "cat /etc/hyperlab/authorized_keys/hyperlab"),
  ];
  /** What the controller knows of the second node. */
  const known = (): Promise<string> =>
    hypervisor.shell(controller, `grep ^${second}, /etc/ssh/ssh_known_hosts`);

  /** Rotates all SSH keys in one update, the one by its command and the other by its number; a session stays open. */
  async function rotateSshKeys(): Promise<void> {
    const before = [await sshKeys(controller), await sshKeys(first)].flat();
    const knownBefore = await known();
    const session = lab.ssh(
      "for i in $(seq 600); do test ! -e rotated || break; sleep 1; done; rm rotated && echo stayed",
    );
    session.catch(() => undefined);
    lab.raiseGeneration("user-keys");
    expect(await hyperlab("rotate", "ssh-host-keys", "--yes")).toMatch(new RegExp(`^${first} +live `, "m"));
    // With the client configuration of before, then with the one of now.
    await lab.ssh("touch rotated");
    expect(await session).toBe("stayed");
    await lab.openSsh();
    await lab.ssh("true");
    const after = [await sshKeys(controller), await sshKeys(first)].flat();
    for (const key of after) expect(key).toContain("AAAA");
    for (const key of before) expect(after).not.toContain(key);
    expect(await known()).not.toBe(knownBefore);
    expect((await known()).split("\n")).toHaveLength(1);
  }

  /** Rotates a key while a job runs on the first node, and does more beside it; gives the secret before and after. */
  async function whileAJobRuns(
    key: string,
    secret: string,
    more: () => Promise<void> = async () => undefined,
  ): Promise<{ old: string; current: string }> {
    const earlier = await slurm.submit(`-N1 -w ${first} --wrap hostname`);
    await slurm.ended(earlier, "COMPLETED");
    const job = await slurm.submitUntilTold(`-N1 -w ${first}`);
    const process = await slurm.process(job, first);
    const [before, old] = [await cluster.machines(), (await cluster.secrets())[secret] ?? ""];

    await hyperlab("rotate", key, "--yes");
    await more();

    expect(changes(before, await cluster.machines())).toEqual({});
    expect(await slurm.process(job, first)).toEqual(process);
    await slurm.endAsTold(job);
    expect(await slurm.restarts(job)).toBe(0);
    expect(await lab.ssh(`sacct -X -n -P -j ${earlier},${job} -o JobID,State,ExitCode`)).toBe(
      `${earlier}|COMPLETED|0:0\n${job}|COMPLETED|0:0`,
    );
    const current = (await cluster.secrets())[secret] ?? "";
    expect(old.length).toBeGreaterThan(15);
    expect(current).not.toBe(old);
    for (const hidden of [old, current]) expect(lab.said.join("\n")).not.toContain(hidden);
    return { old, current };
  }

  describe("a node that is held off", () => {
    let slurmKey = { old: "", current: "" };

    it("lets its job end, is reported, and left by up", async () => {
      const job = await slurm.submit(`-N1 -w ${second} --wrap 'sleep 20'`);
      await slurm.running(job);
      expect(await hyperlab("stop", second, "--temporary", "--reason", "new fan")).toMatch(
        new RegExp(`${second}: held off since .*: new fan`),
      );
      await slurm.ended(job, "COMPLETED");
      expect(await slurm.restarts(job)).toBe(0);
      expect(await hypervisor.state(second)).toBe("shut off");
      expect((await lab.preview()).get(second)).toMatchObject({
        effect: "none",
        note: expect.stringMatching(/^held off since .*: new fan; release with: hyperlab start /),
      });
      await cluster.change(base, {});
      expect(await hypervisor.state(second)).toBe("shut off");
    });

    it("misses that SLURM's key is made anew while a job runs", async () => {
      slurmKey = await whileAJobRuns("slurm-key", "SLURM's key");
    });

    it("misses that the database gets another password, and every machine other SSH keys", async () => {
      // In files, as the guest agent writes what it is told to run into the journal.
      const [conf, kept] = ["/etc/slurm/slurmdbd.conf", "/run/hyperlab/slurmdbd-before.conf"];
      const logIn = (file: string): Promise<string> =>
        hypervisor.shell(
          controller,
          `umask 077; (echo '[client]'; echo user=slurm; sed -n s/^StoragePass=/password=/p ${file}) >/run/hyperlab/client.cnf
mariadb --defaults-file=/run/hyperlab/client.cnf -e 'select 1' >/dev/null 2>&1 && echo in || echo out
rm /run/hyperlab/client.cnf`,
        );
      await hypervisor.shell(controller, `cp -p ${conf} ${kept}`);
      const { current, old } = await whileAJobRuns("db-password", "password of the database", rotateSshKeys);
      const held = await hypervisor.shell(controller, `cat ${conf}`);
      expect(held.split("\n")).toContain(`StoragePass=${current}`);
      expect(held).not.toContain(old);
      expect([await logIn(conf), await logIn(kept)]).toEqual(["in", "out"]);
      await hypervisor.shell(controller, `rm ${kept}`);
    });

    it("misses another limit; a partition that an administrator set down is reported and stays down", async () => {
      await administrator.shell("sudo scontrol update partitionname=main state=down");
      try {
        const told = "partition main: State is DOWN, the configuration says UP";
        expect(await lab.commandLine("npm run --silent preview")).toContain(told);
        // The default partition takes no job: the verification goes without one.
        await cluster.change({ ...base, maxJobTime: "00:45:00" }, {});
        expect(await lab.ssh("scontrol show partition main | grep -o ' State=[A-Z]*'")).toBe(" State=DOWN");
        expect(await lab.ssh("sinfo -h -p main -o %l")).toBe("45:00");
      } finally {
        await administrator.shell("sudo scontrol update partitionname=main state=up");
      }
    });

    it("comes back with start, with the keys and the configuration of now", async () => {
      expect(await hyperlab("start", second)).toMatch(new RegExp(`^${second} +start `, "m"));
      await slurm.idle(first, second);
      expect(await hypervisor.shell(second, `grep ^PartitionName ${CONFIGURATION}`)).toContain("00:45:00");
      for (const machine of [controller, first, second]) {
        const held = await hypervisor.shell(machine, `cat ${KEYS}`);
        expect(held, machine).toContain(slurmKey.current);
        expect(held, machine).not.toContain(slurmKey.old);
      }
      expect(await known()).toContain(await served(second));
      const strangers = await hypervisor.shell(
        second,
        "journalctl -b -u slurmd | grep -c 'could not find kid' || true",
      );
      expect(strangers).toBe("0");
      await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
    });
  });
}
