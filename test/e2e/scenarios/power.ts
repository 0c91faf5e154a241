import { describe, expect, it } from "vitest";
import { type ClusterUnderTest, changes } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";

/** Power that is declared, restarts, and machines that are held off for a time. */
export function power(cluster: ClusterUnderTest): void {
  const { administrator, base, first, lab, slurm } = cluster;

  /** `hyperlab …`, which must succeed. */
  const hyperlab = async (...args: string[]): Promise<string> => {
    const ended = await lab.npm("hyperlab", ...args);
    if (ended.code !== 0)
      throw new Error(`hyperlab ${args.join(" ")} ended with ${ended.code}:\n${ended.output}`);
    return ended.output;
  };

  describe("a node that is held off", () => {
    it("lets its job end, is reported and left by up, and comes back with start", async () => {
      const job = await slurm.submit(`-N1 -w ${first} --wrap 'sleep 20'`);
      await slurm.running(job);
      expect(await hyperlab("stop", first, "--temporary", "--reason", "new fan")).toMatch(
        new RegExp(`${first}: held off since .*: new fan`),
      );
      await slurm.ended(job, "COMPLETED");
      expect(await slurm.restarts(job)).toBe(0);
      expect(await hypervisor.state(first)).toBe("shut off");

      expect((await lab.preview()).get(first)).toMatchObject({
        effect: "none",
        note: expect.stringMatching(/^held off since .*: new fan; release with: hyperlab start /),
      });
      await cluster.change(base, {});
      expect(await hypervisor.state(first)).toBe("shut off");

      expect(await hyperlab("start", first)).toMatch(new RegExp(`^${first} +start `, "m"));
      await slurm.idle(first);
      expect(await cluster.announced()).toEqual({});
    });
  });

  describe("a restart that is asked for", () => {
    it("restarts the node once", async () => {
      const before = await cluster.machines();
      expect(await hyperlab("restart", first)).toMatch(
        new RegExp(`^${first} +restart +restartTrigger `, "m"),
      );
      const after = await cluster.machines();
      expect(changes(before, after)).toEqual({ [first]: "restart" });
      await slurm.idle(first);
      expect(await cluster.announced()).toEqual({});
    });
  });

  describe("a partition that an administrator sets down", () => {
    it("is reported, and still down after SLURM was configured anew", async () => {
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
      await cluster.change(base, {});
      expect(await lab.commandLine("npm run --silent preview")).not.toContain("Changed in SLURM");
    });
  });
}
