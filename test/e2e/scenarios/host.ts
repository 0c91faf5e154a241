import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type ClusterUnderTest, changes } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";
import type { Ended } from "../support/program.ts";

const checked = z.object({
  host: z.string(),
  findings: z.array(
    z.object({ id: z.string(), state: z.enum(["passed", "warning", "error", "unknown"]), what: z.string() }),
  ),
});

/** Looking after the host that the cluster is on. */
export function hostMaintenance(cluster: ClusterUnderTest): void {
  const { controller, first, lab, second, slurm } = cluster;
  const machines = [controller, first, second];
  const hyperlab = (...args: string[]): Promise<Ended> => lab.npm("hyperlab", "host", ...args);

  describe("the host", () => {
    it("is checked: every row is there, and the exit code says whether one is an error", async () => {
      const { code, output } = await hyperlab("check", "--json");
      const text = output.slice(output.indexOf("{\n"), output.lastIndexOf("\n}") + 2);
      const { findings, host } = checked.parse(JSON.parse(text));
      expect(host).toBe("qemu:///system");
      expect(code).toBe(findings.some(({ state }) => state === "error") ? 1 : 0);
      const states = Object.fromEntries(findings.map(({ id, state }) => [id, state]));
      expect(Object.keys(states)).toEqual(
        expect.arrayContaining(["guests-service", "guests-timeout", "poweroff-timeout", "firewall", "clock"]),
      );
      expect(states).toMatchObject({ autostart: "passed", kvm: "passed" });
      // What libvirt knows is known.
      for (const id of ["memory", "pool-space"]) expect(states[id], id).not.toBe("unknown");
      const table = await hyperlab("check");
      expect(table.code).toBe(code);
      for (const { id, state } of findings)
        expect(table.output).toMatch(new RegExp(`^${state} +${id} `, "m"));
    });

    it("is emptied when the jobs have ended, and filled again, the controller first", async () => {
      const job = await slurm.submit(`-N1 -w ${first} --wrap 'sleep 30'`);
      await slurm.running(job);
      const before = await cluster.machines();
      const evacuated = await hyperlab("evacuate", "--reason", "a test");
      expect(evacuated, evacuated.output).toMatchObject({ code: 0 });
      expect(evacuated.output.indexOf(`✓ ${controller}: stopped`)).toBeGreaterThan(
        Math.max(...[first, second].map((name) => evacuated.output.indexOf(`✓ ${name}: stopped`))),
      );
      for (const name of machines) expect(await hypervisor.state(name), name).toBe("shut off");
      const returned = await hyperlab("return");
      expect(returned, returned.output).toMatchObject({ code: 0 });
      expect(returned.output.indexOf(`✓ ${controller}: returned`)).toBeLessThan(
        Math.min(...[first, second].map((name) => returned.output.indexOf(`✓ ${name}: returned`))),
      );
      await slurm.idle(first, second);
      await slurm.ended(job, "COMPLETED");
      const restarted = Object.fromEntries(machines.map((name) => [name, "restart"]));
      expect(changes(before, await cluster.machines())).toEqual(restarted);
      // Nothing is left that an update would have to mend, marks and autostart included.
      expect(await cluster.announced()).toEqual({});
    });
  });
}
