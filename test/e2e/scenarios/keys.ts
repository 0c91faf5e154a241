import { describe, expect, it } from "vitest";
import { type ClusterUnderTest, changes, type Happened } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { eventually } from "../support/program.ts";

/** Keys that are made anew while the cluster runs. */
export function keys(cluster: ClusterUnderTest): void {
  const { controller, first, lab, second, slurm } = cluster;
  const machines = [controller, first, second];

  /** Messages of slurmctld about keys that it does not know. */
  const strangers = async (): Promise<string> =>
    hypervisor.shell(controller, "grep -c 'could not find kid' /var/log/slurm/slurmctld.log || true");

  /** Rotates a key while a job runs on the first node; gives the secret before and after. */
  async function whileAJobRuns(
    key: "slurm-key" | "db-password",
    secret: string,
    effects: Readonly<Record<string, Happened>>,
  ): Promise<{ old: string; current: string }> {
    await lab.ssh("rm -f finish");
    const earlier = await slurm.submit(`-N1 -w ${first} --wrap hostname`);
    await slurm.ended(earlier, "COMPLETED");
    const job = await slurm.submit(`-N1 -w ${first} --wrap 'until [ -e "$HOME/finish" ]; do sleep 2; done'`);
    const process = await slurm.process(job, first);
    const [before, old] = [await cluster.machines(), (await cluster.secrets())[secret] ?? ""];

    await lab.rotate(key);

    expect(changes(before, await cluster.machines())).toEqual(effects);
    expect(await slurm.process(job, first)).toEqual(process);
    await lab.ssh("touch finish");
    await slurm.ended(job, "COMPLETED");
    expect(await slurm.restarts(job)).toBe(0);
    await slurm.idle(first, second);
    await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
    expect(await lab.ssh(`sacct -X -n -P -j ${earlier},${job} -o JobID,State,ExitCode`)).toBe(
      `${earlier}|COMPLETED|0:0\n${job}|COMPLETED|0:0`,
    );
    const current = (await cluster.secrets())[secret] ?? "";
    expect(old.length).toBeGreaterThan(15);
    expect(current).not.toBe(old);
    for (const hidden of [old, current]) expect(lab.said.join("\n")).not.toContain(hidden);
    return { old, current };
  }

  describe("keys that are made anew while a job runs", () => {
    it("SLURM's: a node that is off meanwhile has the new one before its slurmd starts", async () => {
      await hypervisor.shutdown(second);
      await eventually(
        `${second} is off`,
        300,
        () => hypervisor.state(second),
        (state) => state === "shut off",
      );
      const unknown = await strangers();
      // What is off and declared on is started by every change.
      const { current, old } = await whileAJobRuns("slurm-key", "SLURM's key", { [second]: "start" });
      for (const machine of machines) {
        const held = await hypervisor.shell(machine, "cat /etc/slurm/slurm.jwks");
        expect(held, machine).toContain(current);
        expect(held, machine).not.toContain(old);
      }
      expect(await strangers()).toBe(unknown);
    });

    it("the database's password", async () => {
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
      const { current, old } = await whileAJobRuns("db-password", "password of the database", {});
      const held = await hypervisor.shell(controller, `cat ${conf}`);
      expect(held.split("\n")).toContain(`StoragePass=${current}`);
      expect(held).not.toContain(old);
      expect([await logIn(conf), await logIn(kept)]).toEqual(["in", "out"]);
      await hypervisor.shell(controller, `rm ${kept}`);
    });

    it("are in force: a further up changes nothing", () => cluster.change(cluster.base, {}));
  });
}
