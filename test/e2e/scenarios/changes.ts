import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import type { ClusterShape } from "../support/cluster-file.ts";
import { eventually } from "../support/program.ts";

/** Changes of the cluster file that touch some machines or none. */
export function changes(cluster: ClusterUnderTest): void {
  const { base, first, lab, second, slurm } = cluster;

  describe("a second up", () => {
    it("changes nothing", () => cluster.change(base, {}));
  });

  describe("nodes, limits and people", () => {
    const fourth = cluster.node(4);

    it("are added without touching a running job, also with a hole in the group", async () => {
      const job = await slurm.submitUntilTold(`-N1 -w ${first}`);
      const process = await slurm.process(job, first);
      const shape: ClusterShape = {
        ...base,
        nodes: [1, 2, 4],
        maxJobTime: "00:30:00",
        people: [{ name: "bob", ssh_keys: [lab.publicKey] }],
      };
      await cluster.change(shape, { [fourth]: "create" });
      await slurm.idle(fourth);
      expect(await slurm.process(job, first)).toEqual(process);
      await slurm.endAsTold(job);
      expect(await slurm.restarts(job)).toBe(0);
      expect(await lab.ssh("sinfo -h -p main -o %l")).toBe("30:00");
      const bobs = await slurm.submit("-N1 -o bob.txt --wrap 'getent passwd bob'");
      await slurm.ended(bobs, "COMPLETED");
      expect(await lab.ssh("id -un", "bob")).toBe("bob");
      expect(await lab.ssh("cat bob.txt")).toMatch(/^bob:/);
    });

    it("that go let their jobs end first, and people are let in no more", async () => {
      const job = await slurm.submitUntilTold(`-N1 -w ${fourth}`);
      await slurm.running(job);
      const endsWhenDrained = async () => {
        await eventually(
          `${fourth} is drained`,
          300,
          () => slurm.node(fourth),
          (seen) => seen.includes("+DRAIN"),
        );
        await slurm.endAsTold(job);
      };
      await cluster.change(base, { [fourth]: "remove" }, endsWhenDrained);
      expect(await lab.ssh("sinfo -hN -o %N | sort -u")).toBe([first, second].join("\n"));
      expect(await lab.ssh("sinfo -h -p main -o %l")).toBe("1:00:00");
      await expect(lab.ssh("true", "bob")).rejects.toThrow("Permission denied");
    });
  });

  describe("memory", () => {
    it("of one node restarts only that node, in both directions", async () => {
      for (const memoryGb of [2, 1]) {
        await cluster.change({ ...base, memoryGb: { 2: memoryGb } }, { [second]: "restart" });
        const memory = await lab.ssh(`scontrol show node ${second} | grep -o 'RealMemory=[0-9]*'`);
        expect(Number(memory.split("=")[1])).toBeGreaterThan((memoryGb - 1) * 1024);
        expect(Number(memory.split("=")[1])).toBeLessThan(memoryGb * 1024);
      }
    });
  });
}
