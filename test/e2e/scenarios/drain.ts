import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { ADMINISTRATOR } from "../support/cluster-file.ts";

/** What becomes of jobs that outlast a drain. Runs while another node is drained by somebody else. */
export function drains(cluster: ClusterUnderTest): void {
  const { first, lab, second, slurm } = cluster;
  const hyperlab = (words: string) =>
    lab.commandLine(`npm run hyperlab -- drain --user ${ADMINISTRATOR} ${words}`);

  describe("a job that outlasts the drain of its node", () => {
    it("is listed with its end and goes on; the machine is untouched until the drain is taken back", async () => {
      const job = await slurm.submit(`-N1 -w ${first} --time=50 --wrap 'sleep 2400'`);
      const process = await slurm.process(job, first);
      const before = await cluster.machines();
      lab.declare({ ...cluster.base, drain: { waitMinutes: 0, end: "fail" } });

      const { code, output: said } = await lab.npm("hyperlab", "restart", first);
      expect(code, said).toBe(1);
      expect(said).toMatch(
        new RegExp(`${job} of ada, until \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC at the latest`),
      );
      expect(said).toContain(`hyperlab drain --cancel ${first}`);
      expect(await slurm.node(first)).toMatch(/^(MIXED|ALLOCATED)\+DRAIN hyperlab:/);
      expect(await cluster.machines()).toEqual(before);
      expect(await slurm.process(job, first)).toEqual(process);

      const listed = await hyperlab("--json");
      const { nodes } = JSON.parse(listed.slice(listed.indexOf("{")));
      expect(nodes).toMatchObject([
        { name: first, owner: "hyperlab", jobs: [{ id: job, user: "ada" }] },
        { name: second, owner: "other", reason: "broken fan" },
      ]);
      await hyperlab(`--cancel ${first}`);
      expect(await slurm.node(first)).toMatch(/^(MIXED|ALLOCATED)(?!.*DRAIN)/);
      expect(await slurm.process(job, first)).toEqual(process);

      // The restart is still asked for. With another end the job is put back into the queue.
      const requeue = { waitMinutes: 0, end: "requeue" } as const;
      await cluster.change({ ...cluster.base, drain: requeue }, { [first]: "restart" });
      // SLURM lets a job that was put back wait two minutes.
      expect(await lab.ssh(`squeue -h -j ${job} -o %T`)).toMatch(/^(PENDING|RUNNING)$/);
      expect(await slurm.restarts(job)).toBe(1);
      await lab.ssh(`scancel ${job}`);
      await slurm.ended(job, "CANCELLED");
      await slurm.idle(first);
    });
  });
}
