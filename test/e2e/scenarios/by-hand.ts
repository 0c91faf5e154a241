import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { eventually } from "../support/program.ts";

/** What somebody does past hyperlab. */
export function byHand(cluster: ClusterUnderTest): void {
  const { first, slurm } = cluster;

  describe("a machine that is shut down by hand", () => {
    it("lets its job end, shows as drift, and is mended by the next up", async () => {
      const job = await slurm.submit(`-N1 -w ${first} --wrap 'sleep 180'`);
      await slurm.running(job);
      await hypervisor.shutdown(first);
      await slurm.ended(job, "COMPLETED");
      expect(await slurm.restarts(job)).toBe(0);
      await eventually(
        `${first} is off`,
        300,
        () => hypervisor.state(first),
        (state) => state === "shut off",
      );
      await cluster.change(cluster.base, { [first]: "start" });
      await slurm.idle(first);
      await slurm.ended(await slurm.submit(`-N1 -w ${first} --wrap hostname`), "COMPLETED");
    });
  });
}
