import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";

/** What an ordinary user does. */
export function jobs({ first, lab, second, slurm }: ClusterUnderTest): void {
  describe("jobs of an ordinary user", () => {
    it("run on two nodes from the home directory, output and accounting included", async () => {
      await lab.ssh("printf '#!/bin/sh\\nsrun hostname\\n' > job.sh");
      const job = await slurm.submit("-N2 --ntasks-per-node=1 -o out.txt job.sh");
      await slurm.ended(job, "COMPLETED");
      expect((await lab.ssh("cat out.txt")).split("\n").sort()).toEqual([first, second]);
      const accounted = await lab.ssh(`sacct -X -n -P -j ${job} -o User,NNodes,ExitCode`);
      expect(accounted).toBe("ada|2|0:0");
    });

    it("are cancelled", async () => {
      const job = await slurm.submit("-N1 --wrap 'sleep 600'");
      await slurm.running(job);
      await lab.ssh(`scancel ${job}`);
      await slurm.ended(job, "CANCELLED");
    });

    it("above their memory limit are killed, and the node stays", async () => {
      const job = await slurm.submit(`-N1 --mem=100M --wrap 'python3 -c "b\\"x\\" * (400 << 20)"'`);
      await slurm.ended(job, "OUT_OF_MEMORY");
      await slurm.idle(first, second);
      await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
    });
  });
}
