import { describe, expect, it } from "vitest";
import { type ClusterUnderTest, changes } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";

const CONFIGURATION = "/run/slurm/conf/slurm.conf";
const KEYS = "/etc/slurm/slurm.jwks";

/** A node that somebody stops for a time, and everything that changes meanwhile: keys, limits, SLURM by hand. */
export function heldNode(cluster: ClusterUnderTest): void {
  const { administrator, base, controller, first, lab, second, slurm } = cluster;
  const hyperlab = (...args: string[]) => lab.hyperlab(...args);

  /** Rotates a key while a job runs on the first node; gives the secret before and after. */
  async function whileAJobRuns(key: string, secret: string): Promise<{ old: string; current: string }> {
    const earlier = await slurm.submit(`-N1 -w ${first} --wrap hostname`);
    await slurm.ended(earlier, "COMPLETED");
    const job = await slurm.submitUntilTold(`-N1 -w ${first}`);
    const process = await slurm.process(job, first);
    const [before, old] = [await cluster.machines(), (await cluster.secrets())[secret] ?? ""];

    await hyperlab("rotate", key, "--yes");

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

    it("misses that the database gets another password", async () => {
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
      const { current, old } = await whileAJobRuns("db-password", "password of the database");
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
      const strangers = await hypervisor.shell(
        second,
        "journalctl -b -u slurmd | grep -c 'could not find kid' || true",
      );
      expect(strangers).toBe("0");
      await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
    });
  });
}
