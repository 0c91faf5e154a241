import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ClusterUnderTest, changes } from "../support/cluster.ts";

/** The command refused: nothing was changed. */
const REFUSED = 3;

/** A cluster whose state is lost, while it works. */
export function adoption(cluster: ClusterUnderTest): void {
  const { controller, first, lab, second, slurm } = cluster;
  const state = join(lab.stateFolder, "backend");
  const lost = join(lab.folder, "lost");

  describe("a state that was lost", () => {
    it("is rebuilt from the machines while a job runs, and nothing happens to them", async () => {
      const job = await slurm.submitUntilTold(`-N1 -w ${first}`);
      const process = await slurm.process(job, first);
      const before = { machines: await cluster.machines(), secrets: await cluster.secrets() };
      rmSync(lost, { recursive: true, force: true });
      renameSync(state, lost);

      expect(await lab.npm("up")).toMatchObject({
        code: REFUSED,
        output: expect.stringContaining(`of this name: ${[first, second, controller].join(", ")}`),
      });
      const { code, output } = await lab.npm("hyperlab", "adopt", "--yes");
      // The scenarios that follow need a state.
      if (code === REFUSED) {
        rmSync(state, { recursive: true, force: true });
        renameSync(lost, state);
      }
      expect(code, output).toBe(0);
      for (const name of Object.keys(before.machines)) {
        expect(output).toMatch(new RegExp(`^${name} +adopt +it stays as it is`, "m"));
      }
      expect(changes(before.machines, await cluster.machines())).toEqual({});
      expect(await cluster.secrets()).toEqual(before.secrets);
      expect(await cluster.announced()).toEqual({});
      expect(await slurm.process(job, first)).toEqual(process);
      await slurm.endAsTold(job);
      expect(await slurm.restarts(job)).toBe(0);
      await slurm.idle(first);
    });
  });
}
