import { describe, expect, it } from "vitest";
import type { GuestAgent, ProgramResult } from "../../../providers/libvirt/resources/domain/agent/agent.ts";
import {
  awaitAgent,
  awaitReady,
  type HookContext,
  overdueSeconds,
  quiesceGuest,
  unquiesceGuest,
  writeIdentity,
} from "../../../providers/libvirt/resources/domain/agent/hooks.ts";

/** A guest whose programs take time on a clock that moves by itself. */
class Guest implements GuestAgent {
  now = 0;
  readonly calls: {
    program: string;
    args: readonly string[];
    at: number;
    env: Readonly<Record<string, string>> | undefined;
  }[] = [];
  readonly status: string[] = [];
  readonly #answer: (
    call: number,
    slice: number,
    overdue: string | undefined,
  ) => { result: ProgramResult; seconds?: number };
  #agentFrom: number;

  constructor(
    answer: (
      call: number,
      slice: number,
      overdue: string | undefined,
    ) => { result: ProgramResult; seconds?: number },
    agentFrom = 0,
  ) {
    this.#answer = answer;
    this.#agentFrom = agentFrom;
  }

  async answers(): Promise<boolean> {
    return this.now >= this.#agentFrom;
  }

  async run(
    program: string,
    options: { args?: readonly string[]; env?: Readonly<Record<string, string>> },
  ): Promise<ProgramResult> {
    if (this.now < this.#agentFrom) return { kind: "unreachable", reason: "not connected" };
    const args = options.args ?? [];
    this.calls.push({ program, args, at: this.now, env: options.env });
    const slice = Number(args.at(-1) ?? 0);
    const { result, seconds } = this.#answer(this.calls.length, slice, options.env?.HYPERLAB_OVERDUE);
    this.now += (seconds ?? 0) * 1000;
    return result;
  }

  get context(): HookContext {
    return {
      agent: this,
      clock: {
        now: () => this.now,
        sleep: async (milliseconds, signal) => {
          signal.throwIfAborted();
          this.now += milliseconds;
        },
      },
      signal: new AbortController().signal,
      status: (text) => this.status.push(text),
      checkGuest: async () => {},
    };
  }
}

const exit = (exitCode: number, stdout = "", stderr = ""): ProgramResult => ({
  kind: "exited",
  exitCode,
  stdout,
  stderr,
});
const order = { reason: "restart", timeoutSeconds: 100, onTimeout: "fail", agentGraceSeconds: 20 } as const;

describe("quiesceGuest", () => {
  it("calls the program in slices until the machine is empty, and shows what it waits for", async () => {
    const guest = new Guest((call, slice) =>
      call < 3 ? { result: exit(75, `waits for ${3 - call} jobs\n`), seconds: slice } : { result: exit(0) },
    );
    expect(await quiesceGuest(guest.context, order)).toEqual({ kind: "done" });
    expect(guest.calls.map((call) => call.args)).toEqual([
      ["--reason", "restart", "--slice-seconds", "30"],
      ["--reason", "restart", "--slice-seconds", "30"],
      ["--reason", "restart", "--slice-seconds", "30"],
    ]);
    expect(guest.status[0]).toBe("quiesce: waits for 2 jobs (30s of 1m40s)");
  });

  it("ends at its deadline, with a last slice that fits", async () => {
    const guest = new Guest((_call, slice) => ({ result: exit(75, "1 job"), seconds: slice }));
    expect(await quiesceGuest(guest.context, order)).toEqual({ kind: "timeout", reason: "1 job" });
    expect(guest.now).toBeLessThanOrEqual(102_000);
    // The last call tells a guest that knows about it that the time is over; this one only goes on waiting.
    expect(guest.calls.map((call) => call.args.at(-1))).toEqual(["30", "30", "30", "4", "1"]);
    expect(guest.calls.map((call) => call.env?.HYPERLAB_OVERDUE)).toEqual([
      ...[undefined, undefined, undefined, undefined],
      "fail",
    ]);
  });

  describe("at the end of the time", () => {
    const busy = (slice: number) => ({ result: exit(75, "1 job"), seconds: slice });

    it("fail gives the whole report of the guest", async () => {
      const guest = new Guest((_call, slice, overdue) =>
        overdue === undefined
          ? busy(slice)
          : { result: exit(76, "7 of ada, until noon\n8 of bob, no time limit\n") },
      );
      expect(await quiesceGuest(guest.context, order)).toEqual({
        kind: "timeout",
        reason: "7 of ada, until noon; 8 of bob, no time limit",
      });
    });

    it.each(["requeue", "kill"] as const)(
      "%s goes on until the guest has ended its work",
      async (onTimeout) => {
        let told = 0;
        const guest = new Guest((_call, slice, overdue) => {
          if (overdue === undefined) return busy(slice);
          told += 1;
          expect(overdue).toBe(onTimeout);
          return told < 3 ? busy(slice) : { result: exit(0) };
        });
        expect(await quiesceGuest(guest.context, { ...order, onTimeout })).toEqual({ kind: "done" });
        expect(guest.calls.filter((call) => call.env?.HYPERLAB_OVERDUE === undefined)).toHaveLength(4);
      },
    );

    it.each(["requeue", "kill"] as const)("%s has a time limit of its own", async (onTimeout) => {
      const guest = new Guest((_call, slice) => busy(slice));
      expect(await quiesceGuest(guest.context, { ...order, onTimeout })).toEqual({
        kind: "timeout",
        reason: "1 job",
      });
      expect(guest.now / 1000).toBeGreaterThanOrEqual(100 + overdueSeconds[onTimeout]);
      expect(guest.now / 1000).toBeLessThan(100 + overdueSeconds[onTimeout] + 10);
    });

    it("wait knows no end", async () => {
      const days = 10 * 24 * 3600;
      const guest: Guest = new Guest((_call, slice, overdue) => {
        expect(overdue).toBeUndefined();
        return guest.now < days * 1000 ? busy(slice) : { result: exit(0) };
      });
      expect(await quiesceGuest(guest.context, { ...order, onTimeout: "wait" })).toEqual({ kind: "done" });
      expect(guest.now / 1000).toBeGreaterThanOrEqual(days);
      expect(guest.status[0]).toBe("quiesce: 1 job (30s)");
    });

    it("however short it is, the machine is asked to empty itself first", async () => {
      const guest = new Guest((_call, slice, overdue) =>
        overdue === undefined ? busy(slice) : { result: exit(76, "7 of ada") },
      );
      const short = { ...order, timeoutSeconds: 0 };
      expect(await quiesceGuest(guest.context, short)).toEqual({ kind: "timeout", reason: "7 of ada" });
      expect(guest.calls.map((call) => call.env?.HYPERLAB_OVERDUE)).toEqual([undefined, "fail"]);
    });
  });

  it("waits a grace for an agent that is not there, not longer", async () => {
    const late = new Guest(() => ({ result: exit(0) }), 10_000);
    expect(await quiesceGuest(late.context, order)).toEqual({ kind: "done" });
    const never = new Guest(() => ({ result: exit(0) }), 1_000_000);
    expect(await quiesceGuest(never.context, order)).toEqual({
      kind: "unreachable",
      reason: "not connected",
    });
    expect(never.now).toBeLessThanOrEqual(22_000);
  });

  it("gives an agent that goes away in the middle of a long drain the same grace again", async () => {
    const away = new Set([3, 4]);
    const guest = new Guest((call, slice) =>
      away.has(call)
        ? { result: { kind: "unreachable", reason: "libvirtd is restarted" }, seconds: 5 }
        : call < 6
          ? { result: exit(75, "waits for 1 job"), seconds: slice }
          : { result: exit(0) },
    );
    expect(await quiesceGuest(guest.context, { ...order, timeoutSeconds: 600 })).toEqual({ kind: "done" });
    const gone = new Guest((call, slice) =>
      call < 3
        ? { result: exit(75, "waits for 1 job"), seconds: slice }
        : { result: { kind: "unreachable", reason: "gone" } },
    );
    expect(await quiesceGuest(gone.context, { ...order, timeoutSeconds: 600 })).toMatchObject({
      kind: "unreachable",
    });
    expect(gone.now).toBeLessThan(90_000);
  });

  it("tells a missing program from a failed one", async () => {
    const without = new Guest(() => ({ result: { kind: "missing" } }));
    expect(await quiesceGuest(without.context, order)).toEqual({ kind: "missing" });
    const failed = new Guest(() => ({ result: exit(2, "", "line one\nno controller\n") }));
    expect(await quiesceGuest(failed.context, order)).toEqual({
      kind: "failed",
      reason: "exit code 2: no controller",
    });
  });

  it("ends with the guest", async () => {
    const guest = new Guest(() => ({ result: exit(75) }));
    const context = {
      ...guest.context,
      checkGuest: async () => {
        if (guest.now > 3000) throw new Error("the guest is shut off");
      },
    };
    await expect(quiesceGuest(context, order)).rejects.toThrow("shut off");
  });
});

describe("awaitReady", () => {
  it("waits for a program that a first boot installs", async () => {
    const guest = new Guest((call) => ({ result: call < 4 ? { kind: "missing" } : exit(0) }), 60_000);
    expect(await awaitReady(guest.context, { started: 0, timeoutSeconds: 900 })).toEqual({ kind: "done" });
    expect(guest.status.some((text) => text.includes("the guest has no /usr/lib/hyperlab/ready"))).toBe(true);
  });

  it("says at the deadline what was missing", async () => {
    const guest = new Guest(() => ({ result: exit(75, "slurmd has not registered") }));
    expect(await awaitReady(guest.context, { started: 0, timeoutSeconds: 10 })).toEqual({
      kind: "timeout",
      reason: "slurmd has not registered",
    });
  });

  it("does not repeat what failed", async () => {
    const guest = new Guest(() => ({ result: exit(1, "", "wrong memory") }));
    expect(await awaitReady(guest.context, { started: 0, timeoutSeconds: 10 })).toEqual({
      kind: "failed",
      reason: "exit code 1: wrong memory",
    });
    expect(guest.calls).toHaveLength(1);
  });
});

describe("awaitAgent and writeIdentity", () => {
  it("count from the start of the machine", async () => {
    const guest = new Guest(() => ({ result: exit(0) }), 50_000);
    const limits = { started: 0, timeoutSeconds: 40 };
    expect(await awaitAgent(guest.context, limits)).toMatchObject({ kind: "timeout" });
    expect(guest.now).toBeLessThan(43_000);
  });

  it("never show what is written", async () => {
    const guest = new Guest((call) => ({
      result: call === 1 ? { kind: "missing" } : exit(1, "", "no space"),
    }));
    const identity = { sshHostEd25519: "PRIVATE", machineId: "0".repeat(32) };
    const result = await writeIdentity(guest.context, { identity, started: 0, timeoutSeconds: 60 });
    expect(result).toEqual({ kind: "failed", reason: "exit code 1: no space" });
    expect(JSON.stringify([guest.status, guest.calls, result])).not.toContain("PRIVATE");
  });
});

describe("unquiesceGuest", () => {
  it("passes the outcome on", async () => {
    const { signal } = new AbortController();
    expect(await unquiesceGuest(new Guest(() => ({ result: exit(0) })), signal)).toEqual({ kind: "done" });
    expect(await unquiesceGuest(new Guest(() => ({ result: exit(1) })), signal)).toMatchObject({
      kind: "failed",
    });
  });
});
