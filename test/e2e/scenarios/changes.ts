import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";

/** Changes of the cluster file that touch some machines or none. */
export function changes(cluster: ClusterUnderTest): void {
  const { base, first, lab, second, slurm } = cluster;

  describe("a second up", () => {
    it("changes nothing", () => cluster.change(base, {}));
  });

  describe("nodes", () => {
    const fourth = cluster.node(4);

    it("are added without touching a running job, also with a hole in the group", async () => {
      const job = await slurm.submitUntilTold(`-N1 -w ${first}`);
      const process = await slurm.process(job, first);
      await cluster.change({ ...base, nodes: [1, 2, 4] }, { [fourth]: "create" });
      await slurm.idle(fourth);
      expect(await slurm.process(job, first)).toEqual(process);
      await slurm.endAsTold(job);
      expect(await slurm.restarts(job)).toBe(0);
    });

    it("that go let their jobs end first", async () => {
      const job = await slurm.submit(`-N1 -w ${fourth} --wrap 'sleep 60'`);
      await slurm.running(job);
      await cluster.change(base, { [fourth]: "remove" });
      await slurm.ended(job, "COMPLETED");
      expect(await lab.ssh("sinfo -hN -o %N | sort -u")).toBe([first, second].join("\n"));
    });
  });

  describe("limits and people", () => {
    it("change without touching a machine", async () => {
      const key = lab.publicKey;
      await cluster.change(
        { ...base, maxJobTime: "00:30:00", people: [{ name: "bob", ssh_keys: [key] }] },
        {},
      );
      expect(await lab.ssh("sinfo -h -p main -o %l")).toBe("30:00");
      const job = await slurm.submit("-N1 -o bob.txt --wrap 'getent passwd bob'");
      await slurm.ended(job, "COMPLETED");
      expect(await lab.ssh("id -un", "bob")).toBe("bob");
      expect(await lab.ssh("cat bob.txt")).toMatch(/^bob:/);
      await cluster.change(base, {});
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
