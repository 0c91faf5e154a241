import { describe, expect, it } from "vitest";
import type { PropertyMap } from "../../../providers/plugin/index.ts";
import { waitFor } from "../../support/wait.ts";
import { exited, Machine, Stack } from "./harness.ts";
import { failing, node, pool, TestDriver } from "./test-driver.ts";

const host = new TestDriver();

describe("update", () => {
  it("restarts with quiesce, shutdown, one definition, start and ready", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    host.stack.agent("node").calls.length = 0;
    const news = node({ memoryMiB: 512 });
    expect(await machine.preview(news)).toBe("node: restart (memoryMiB 256 → 512), quiesce first");
    const before = machine.state;
    await machine.update(news);
    expect(host.stack.agent("node").calls).toEqual(["quiesce", "ready"]);
    expect(await host.power()).toBe("running");
    expect(machine.state).toEqual(before);
    expect(await machine.refresh()).toBe(true);
    expect(machine.inputs).toEqual(news);
  });

  it("leaves a machine that does not empty in time as it is, and the next update goes on", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const agent = host.stack.agent("node");
    agent.calls.length = 0;
    agent.on("quiesce", () => exited(75, "waits for 2 jobs"));
    await expect(machine.update(node({ memoryMiB: 512, quiesce: { timeoutSeconds: 1 } }))).rejects.toThrow(
      /node was not empty after 1s: waits for 2 jobs. The machine was not stopped/,
    );
    // The guest goes on emptying itself.
    expect(agent.calls).not.toContain("unquiesce");
    expect(await host.power()).toBe("running");
    expect(host.stack.status.join()).toContain("waits for 2 jobs");
    agent.on("quiesce", () => exited(0));
    await machine.update(node({ memoryMiB: 512 }));
    expect(machine.state.power).toBeUndefined();
  });

  describe("at the end of the time of a quiesce", () => {
    const late = (onTimeout: string) => node({ memoryMiB: 512, quiesce: { timeoutSeconds: 0, onTimeout } });
    const busyUntilTold = (told: Record<string, ReturnType<typeof exited>>) => {
      host.stack
        .agent("node")
        .on("quiesce", ({ env }) => told[env.HYPERLAB_OVERDUE ?? ""] ?? exited(75, "1 job"));
    };

    it.each(["fail", "requeue"])(
      "%s shows what the guest says remains, and stops nothing",
      async (policy) => {
        const machine = await new Machine(host.stack, "node").create(node());
        busyUntilTold({ [policy]: exited(76, "7 of ada, until noon at the latest") });
        const domain = await host.domain();
        await expect(machine.update(late(policy))).rejects.toThrow(
          /node was not empty after 0s: 7 of ada, until noon at the latest. The machine was not stopped.*Run the update again/s,
        );
        expect(await host.power()).toBe("running");
        expect(await host.client.domainGetXmlDesc(domain, { inactive: true })).toContain(
          "<memory unit='KiB'>262144</memory>",
        );
      },
    );

    it.each(["requeue", "kill"])("%s goes on when the guest has ended its work", async (policy) => {
      const machine = await new Machine(host.stack, "node").create(node());
      busyUntilTold({ [policy]: exited(0) });
      await machine.update(late(policy));
      await machine.refresh();
      expect(machine.inputs).toMatchObject({ memoryMiB: 512 });
    });

    it("the preview says what becomes of work, where it is interrupted", async () => {
      const machine = await new Machine(host.stack, "node").create(node());
      const line = (onTimeout: string, timeoutSeconds: number) =>
        machine.preview(node({ memoryMiB: 512, quiesce: { onTimeout, timeoutSeconds } }));
      expect(await line("kill", 1800)).toMatch(
        /quiesce first: jobs still running after 30 minutes are cancelled$/,
      );
      expect(await line("requeue", 90)).toMatch(
        /quiesce first: jobs still running after 90 seconds are requeued where they can be$/,
      );
      expect(await line("wait", 1800)).toMatch(/quiesce first$/);
    });

    it("longer than the engine's time limit is refused by the preview, and touches nothing", async () => {
      const machine = await new Machine(host.stack, "node").create(node());
      const agent = host.stack.agent("node");
      agent.calls.length = 0;
      host.stack.timeoutSeconds = 600;
      const news = (timeoutSeconds: number, onTimeout = "fail") =>
        node({ memoryMiB: 512, quiesce: { timeoutSeconds, onTimeout } });
      for (const inputs of [news(601), news(1, "wait")]) {
        await expect(machine.preview(inputs)).rejects.toThrow(/node is not changed.*customTimeouts/s);
        await expect(machine.update(inputs)).rejects.toThrow(/node is not changed.*customTimeouts/s);
      }
      expect(agent.calls).toEqual([]);
      expect(await machine.preview(news(599))).toContain("restart");
      // A machine that does not stop has nothing to wait for.
      expect(await machine.preview(node({ title: "x", quiesce: { timeoutSeconds: 601 } }))).toContain("live");
    });

    it("another policy alone has no effect on the machine", async () => {
      const machine = await new Machine(host.stack, "node").create(node());
      expect(await machine.diff(node({ quiesce: { timeoutSeconds: 5, onTimeout: "kill" } }))).toMatchObject({
        changes: "none",
      });
    });
  });

  it("stops no machine without its hook, unless that is allowed", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    host.stack.agent("node").on("quiesce", undefined);
    await expect(machine.update(node({ memoryMiB: 512 }))).rejects.toThrow(
      /node has no \/usr\/lib\/hyperlab\/quiesce.*The machine was not stopped/s,
    );
    expect(await host.power()).toBe("running");
    const lenient = node({ memoryMiB: 512, quiesce: { hook: "ifPresent" } });
    await machine.update(lenient);
    expect(machine.state.quiesceHook).toBe(false);
    const next = node({ memoryMiB: 300, quiesce: { hook: "ifPresent" } });
    expect(await machine.preview(next)).toContain("no hook known: will stop without quiesce");
  });

  it("says when the quiesce program fails", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    host.stack.agent("node").on("quiesce", () => exited(1, "", "scontrol: not found"));
    await expect(machine.update(node({ memoryMiB: 512 }))).rejects.toThrow(
      /quiesce program failed with exit code 1: scontrol: not found/,
    );
  });

  it("rebuilds on a new disk and deletes the old one only when the machine is ready", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const old = String(machine.state.rootVolume).replace(`${pool}/`, "");
    const agent = host.stack.agent("node");
    agent.calls.length = 0;
    const seen: string[][] = [];
    agent.on("ready", () => {
      seen.push(lastVolumes);
      return exited(0);
    });
    let lastVolumes: string[] = [];
    agent.on("identity", () => exited(0));
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } });
    const foreseen = await machine.previewOutputs(news);
    lastVolumes = await host.volumes();
    await machine.update(news);
    expect(agent.calls).toEqual(["quiesce", "identity", "ready"]);
    expect(machine.state).toMatchObject({
      generation: foreseen.generation,
      rootVolume: foreseen.rootVolume,
      sshHostPublicKey: foreseen.sshHostPublicKey,
    });
    expect(await host.volumes()).toEqual(
      ["debian-a", "debian-b", String(foreseen.rootVolume).replace(`${pool}/`, "")].sort(),
    );
    expect(await host.volumes()).not.toContain(old);
    await machine.refresh();
    expect(machine.inputs).toEqual(news);
  });

  it("boots the old disk again when the new one does not get ready", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const { state } = machine;
    const agent = host.stack.agent("node");
    agent.calls.length = 0;
    let boots = 0;
    agent.on("identity", () => {
      boots += 1;
      return exited(1, "", "broken image");
    });
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 }, ready: { timeoutSeconds: 1 } });
    await expect(machine.update(news)).rejects.toThrow(
      /did not come up with its new root disk.*broken image.*runs on its old root disk and definition again/s,
    );
    expect(boots).toBe(1);
    expect(agent.calls).toEqual(["quiesce", "identity", "ready"]);
    expect(machine.state).toEqual(state);
    expect(await host.power()).toBe("running");
    expect(await host.volumes()).toEqual([
      "debian-a",
      "debian-b",
      String(state.rootVolume).replace(`${pool}/`, ""),
    ]);
    await machine.refresh();
    expect(machine.inputs).toEqual(node());
    expect(machine.state).toEqual(state);
  });

  it("goes on after a rebuild that was killed, and still can go back", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } });
    const old = machine.state;
    const killed = new Machine(new Stack(failing(host.client, "domainCreate")), "node");
    Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(killed.update(news)).rejects.toThrow();
    expect((await host.volumes()).filter((name) => name.startsWith("node-root"))).toHaveLength(2);
    // The engine was killed, too: the state is the old one. A destroy from it still finds both disks.
    await machine.refresh();
    expect(machine.inputs).toEqual({ ...news, running: false });
    const agent = host.stack.agent("node");
    agent.on("identity", () => exited(1, "", "broken image"));
    await expect(machine.update(news)).rejects.toThrow(/runs on its old root disk/);
    await machine.refresh();
    expect(machine.state.rootVolume).toBe(old.rootVolume);
    agent.on("identity", () => exited(0));
    await machine.update(news);
    expect((await host.volumes()).filter((name) => name.startsWith("node-root"))).toHaveLength(1);
  });

  it("stays on the new disk once it is ready there, whatever happens to the old one", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const news = node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } });
    const killed = new Machine(new Stack(failing(host.client, "storageVolDelete")), "node");
    Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(killed.update(news)).rejects.toThrow(/killed/);
    expect((await host.volumes()).filter((name) => name.startsWith("node-root"))).toHaveLength(2);
    // Both the state that the failure recorded and the one before it lead to the same.
    for (const state of [machine.state, killed.state]) {
      const seen = new Machine(host.stack, "node");
      Object.assign(seen, { id: "node", inputs: news, state });
      await seen.refresh();
      expect(seen.inputs).toEqual(news);
      expect(await seen.preview(news)).toBe("node: wait until ready: an earlier run ended before it was");
    }
    const agent = host.stack.agent("node");
    agent.on("ready", () => exited(1, "", "slurmd is broken"));
    await killed.refresh();
    const next = new Machine(host.stack, "node");
    Object.assign(next, { id: "node", inputs: killed.inputs, state: killed.state });
    await expect(next.update(news)).rejects.toThrow(/slurmd is broken/);
    expect(next.state.rootVolume).toBe(killed.state.rootVolume);
    agent.on("ready", () => exited(0));
    await next.refresh();
    await next.update(news);
    const [left, ...more] = (await host.volumes()).filter((name) => name.startsWith("node-root"));
    expect([`${pool}/${left}`, more]).toEqual([next.state.rootVolume, []]);
    expect(next.state.pending).toBeUndefined();
  });

  it("is deleted with all its disks from the state before a rebuild that was killed", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const killed = new Machine(new Stack(failing(host.client, "domainCreate")), "node");
    Object.assign(killed, { id: "node", inputs: machine.inputs, state: machine.state });
    await expect(
      killed.update(node({ rootDisk: { pool, image: "debian-b", sizeMiB: 200 } })),
    ).rejects.toThrow();
    await machine.delete();
    expect(await host.volumes()).toEqual(["debian-a", "debian-b"]);
    expect(await host.power()).toBe("none");
  });

  it("refuses to do more than was previewed", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const ref = await host.domain();
    await host.client.domainShutdown(ref);
    await machine.refresh();
    const news = node({ memoryMiB: 512 });
    expect(await machine.preview(news)).toBe(
      "node: change while it is off (memoryMiB 256 → 512), then start",
    );
    await host.client.domainCreate(ref);
    await expect(machine.update(news)).rejects.toThrow(
      /no longer as it was when this update was previewed.*change while it is off.*restart.*Run the preview/s,
    );
    expect(await host.power()).toBe("running");
  });

  it("stops and starts as the declared power state says", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    expect(await machine.preview(node({ running: false }))).toBe("node: stop, quiesce first");
    await machine.update(node({ running: false }));
    expect(await host.power()).toBe("shutoff");
    await machine.refresh();
    expect(await machine.diff(node({ running: false }))).toMatchObject({ changes: "none" });
    expect(await machine.diff(node())).toMatchObject({
      changes: "some",
      detailedDiff: { running: { kind: "update" } },
    });
    await machine.update(node());
    expect(await host.power()).toBe("running");
  });

  it("gives a machine that was made off its identity at its first start", async () => {
    const machine = await new Machine(host.stack, "node").create(node({ running: false }));
    expect(host.stack.agent("node").calls).toEqual([]);
    await machine.refresh();
    expect(await machine.diff(node({ running: false }))).toMatchObject({ changes: "none" });
    await machine.update(node());
    expect(host.stack.agent("node").calls).toEqual(["identity", "ready"]);
  });

  /** What the guest's identity program was told, in order. */
  function identities(): Record<string, unknown>[] {
    const told: Record<string, unknown>[] = [];
    host.stack.agent("node").on("identity", (options) => {
      told.push(JSON.parse(options.input ?? ""));
      return exited(0);
    });
    return told;
  }
  const loginPublicKey = `ssh-ed25519 ${"A".repeat(68)}`;

  it("gives other keys to a machine that runs, which stays as it is", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const agent = host.stack.agent("node");
    const { sshHostPublicKey: first, ...rest } = machine.state;
    agent.calls.length = 0;
    const told = identities();
    const news = node({ sshHostKeyGeneration: 2, loginPublicKey });
    expect(await machine.preview(news)).toMatch(/^node: live \(sshHostKeyGeneration/);
    const foreseen = await machine.previewOutputs(news);
    await machine.update(news);
    expect(agent.calls).toEqual(["identity"]);
    expect(told).toEqual([
      {
        format: 2,
        sshHostKey: expect.stringContaining("BEGIN OPENSSH PRIVATE KEY"),
        machineId: expect.any(String),
        loginPublicKey,
      },
    ]);
    expect(machine.state).toEqual({ ...rest, sshHostPublicKey: foreseen.sshHostPublicKey });
    expect(machine.state.sshHostPublicKey).not.toBe(first);
    await machine.refresh();
    expect(await machine.diff(news)).toMatchObject({ changes: "none" });
  });

  it("keeps what is recorded where the guest does not take them, and tries again", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const { state } = machine;
    host.stack.agent("node").on("identity", () => exited(1, "", "no such field"));
    const news = node({ sshHostKeyGeneration: 2 });
    await expect(machine.update(news)).rejects.toThrow(
      /did not take its new keys: its program failed.*no such/s,
    );
    expect(machine.state).toEqual(state);
    const told = identities();
    await machine.update(news);
    expect(told).toHaveLength(1);
  });

  it("gives them to a machine that is off when it is started, by whomever", async () => {
    const off = node({ running: false });
    const machine = await new Machine(host.stack, "node").create(node());
    await machine.update(off);
    const told = identities();
    await machine.update({ ...off, sshHostKeyGeneration: 2 });
    expect(told).toEqual([]);
    await machine.refresh();
    expect(await machine.diff({ ...off, sshHostKeyGeneration: 2 })).toMatchObject({ changes: "none" });
    const domain = await host.client.domainLookupByName("node");
    if (domain !== undefined) await host.client.domainCreate(domain);
    await machine.refresh();
    await machine.update(node({ sshHostKeyGeneration: 2 }));
    expect(told).toMatchObject([{ format: 2 }]);
    await machine.update({ ...off, sshHostKeyGeneration: 2 });
    await machine.update(node({ sshHostKeyGeneration: 2 }));
    expect(told).toHaveLength(2);
    expect(machine.state.pending).toBeUndefined();
  });

  it("gives a new root disk the keys of now", async () => {
    const machine = await new Machine(host.stack, "node").create(node({ sshHostKeyGeneration: 2 }));
    const told = identities();
    await machine.update(
      node({ sshHostKeyGeneration: 2, rootDisk: { pool, image: "debian-b", sizeMiB: 200 } }),
    );
    expect(told).toMatchObject([{ format: 2 }]);
  });

  it("keeps waits and permits out of the way", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    expect(await machine.diff(node({ ready: { timeoutSeconds: 9 } }))).toMatchObject({ changes: "none" });
  });

  it("moves a reservation with its machine", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const nic = {
      network: "default",
      mac: "52:54:00:00:00:11",
      address: "192.168.122.12",
      hostname: "other",
    };
    await machine.update(node({ interfaces: [nic] }));
    const xml = await host.networkXml();
    expect(xml).toContain("name='other' ip='192.168.122.12'");
    expect(xml).not.toContain("192.168.122.11");
    expect(machine.state.address).toBe("192.168.122.12");
  });

  it("is cancelled promptly, and the next run goes on", async () => {
    const machine = await new Machine(host.stack, "node").create(node());
    const agent = host.stack.agent("node");
    agent.on("quiesce", () => exited(75, "busy"));
    const running = machine.update(node({ memoryMiB: 512, quiesce: { timeoutSeconds: 600 } }));
    await waitFor("machine that is busy", () => host.stack.status.some((text) => text.includes("busy")));
    host.stack.cancel();
    await expect(running).rejects.toThrow(/cancelled/);
    expect(agent.calls.at(-1)).toBe("unquiesce");
    agent.on("quiesce", () => exited(0));
    await machine.update(node({ memoryMiB: 512 }));
    expect(await host.power()).toBe("running");
  });
});

describe("rollout groups", () => {
  it("keep one machine down at a time; the first failure leaves the rest untouched", async () => {
    const names = ["n1", "n2", "n3"];
    const inputs = (name: string, over: PropertyMap = {}) =>
      node({ name, interfaces: [], rolloutGroup: "lab/compute", ...over });
    const machines = await Promise.all(
      names.map((name) => new Machine(host.stack, name).create(inputs(name))),
    );
    let down = 0;
    let most = 0;
    for (const name of names) {
      host.stack.agent(name).on("quiesce", () => {
        down += 1;
        most = Math.max(most, down);
        return exited(0);
      });
      host.stack.agent(name).on("ready", () => {
        down -= 1;
        return exited(0);
      });
    }
    await Promise.all(machines.map((machine) => machine.update(inputs(machine.name, { memoryMiB: 300 }))));
    expect(most).toBe(1);

    for (const name of names) {
      host.stack.agent(name).on("ready", () => exited(1, "", "broken"));
      host.stack.agent(name).calls.length = 0;
    }
    const results = await Promise.allSettled(
      machines.map((machine) => machine.update(inputs(machine.name, { memoryMiB: 400 }))),
    );
    const reasons = results.map((result) => (result.status === "rejected" ? String(result.reason) : "done"));
    expect(reasons.filter((reason) => reason.includes("was left as it is"))).toHaveLength(2);
    expect(names.filter((name) => host.stack.agent(name).calls.includes("quiesce"))).toHaveLength(1);
  });
});
