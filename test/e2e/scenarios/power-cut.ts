import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { eventually } from "../support/program.ts";

/** A disk that slow makes the boot of the controller minutes longer. */
const SLOW_BYTES_PER_SECOND = 4_000_000;

/** Power that goes without warning, machines that stand still: everything is served again, and nobody helps. */
export function powerCut(cluster: ClusterUnderTest): void {
  const { controller, first, lab, second, slurm } = cluster;
  const nodes = [first, second];

  describe("after a power cut", () => {
    it("all nodes are idle, with nodes up long before a controller whose slow disk is checked first", async () => {
      // What was told SLURM in the last seconds is lost with the power, as SLURM saves its state now and then.
      await slurm.idle(...nodes);
      await cluster.administrator.shell("sudo scontrol reconfigure");
      await hypervisor.shell(controller, "sync");
      await Promise.all([controller, ...nodes].map((name) => hypervisor.cutPower(name)));
      for (const node of nodes) await hypervisor.start(node);
      for (const node of nodes) await hasRunFor(node, 180);
      await hypervisor.start(controller, SLOW_BYTES_PER_SECOND);
      await serves(600);
      const boot = await hypervisor.shell(controller, "journalctl -b -o cat -u hyperlab-state-disk");
      expect(boot).toContain("e2fsck: hyperlab-state: recovering journal");
      await hypervisor.limitDisks(controller, 0);
      await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
    });
  });

  describe("a machine that stood still", () => {
    it("has the time and works again within a minute", async () => {
      await hypervisor.pause(second);
      const paused = Date.now();
      await eventually(
        `${second} has stood still for a minute`,
        120,
        async () => Date.now() - paused,
        (milliseconds) => milliseconds > 60_000,
      );
      await hypervisor.resume(second);
      await eventually(
        `the clock of ${second} is right`,
        60,
        async () => Math.abs(Number(await hypervisor.shell(second, "date +%s")) - Date.now() / 1000),
        (seconds) => seconds < 5,
      );
      await slurm.ended(await slurm.submit(`-N1 -w ${second} --wrap hostname`), "COMPLETED");
    });
  });

  /** Until the guest says that it is up for so long. */
  async function hasRunFor(node: string, seconds: number): Promise<void> {
    await eventually(`${node} answers`, 600, () => hypervisor.answers(node), Boolean);
    await eventually(
      `${node} is up for ${seconds} s`,
      600,
      async () => Number((await hypervisor.shell(node, "cat /proc/uptime")).split(" ")[0]),
      (uptime) => uptime >= seconds,
    );
  }

  /** Until the controller lets people in and shows every node idle. */
  async function serves(deadlineSeconds: number): Promise<void> {
    await eventually(
      `${nodes.join(", ")} idle`,
      deadlineSeconds,
      () => lab.ssh("sinfo -hN -o '%N %T'").catch((error: unknown) => String(error)),
      (seen) => nodes.every((node) => seen.split("\n").includes(`${node} idle`)),
    );
  }
}
