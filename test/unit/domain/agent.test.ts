import { describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { LibvirtConnectionError, LibvirtError } from "../../../providers/libvirt/client/index.ts";
import { guestAgent } from "../../../providers/libvirt/resources/domain/agent/agent.ts";

const ref = { name: "node", uuid: "11111111-2222-5333-8444-555555555555", id: 1 };
const { signal } = new AbortController();
const clock = { now: () => 0, sleep: async () => {} };
const base64 = (text: string) => Buffer.from(text).toString("base64");

/** The one function of the client that the agent uses; everything else fails. */
function client(answer: (command: { execute: string; arguments?: unknown }) => unknown): LibvirtClient {
  const target: Pick<LibvirtClient, "qemuAgentCommand"> = {
    async qemuAgentCommand(_ref, command) {
      return JSON.stringify({ return: answer(JSON.parse(command)) });
    },
  };
  return new Proxy<LibvirtClient>(Object.create(null), {
    get: (_none, name) => Reflect.get(target, name),
  });
}

function refusing(text: string, code: number): LibvirtClient {
  return client(() => {
    throw new LibvirtError({
      code,
      domain: 10,
      level: 2,
      text,
      operation: "qemuAgentCommand",
      target: "node",
    });
  });
}

describe("guestAgent", () => {
  it("runs a program to its end", async () => {
    let polls = 0;
    const agent = guestAgent(
      client(({ execute }) => {
        if (execute === "guest-exec") return { pid: 7 };
        polls += 1;
        return polls < 3 ? { exited: false } : { exited: true, exitcode: 75, "out-data": base64("busy") };
      }),
      ref,
      clock,
    );
    expect(await agent.run("/x", { timeoutSeconds: 10, signal })).toEqual({
      kind: "exited",
      exitCode: 75,
      stdout: "busy",
      stderr: "",
    });
    expect(polls).toBe(3);
  });

  it("counts a program that a signal ended as failed", async () => {
    const agent = guestAgent(
      client(({ execute }) => (execute === "guest-exec" ? { pid: 7 } : { exited: true, signal: 9 })),
      ref,
      clock,
    );
    expect(await agent.run("/x", { timeoutSeconds: 10, signal })).toMatchObject({ exitCode: 137 });
  });

  it("gives up on a program that does not end", async () => {
    let now = 0;
    const moving = {
      now: () => now,
      sleep: async (milliseconds: number) => {
        now += milliseconds;
      },
    };
    const agent = guestAgent(
      client(({ execute }) => (execute === "guest-exec" ? { pid: 7 } : { exited: false })),
      ref,
      moving,
    );
    expect(await agent.run("/x", { timeoutSeconds: 5, signal })).toEqual({
      kind: "unreachable",
      reason: "/x did not end within 5 s",
    });
  });

  it("tells a missing program from a missing agent", async () => {
    const text =
      "internal error: unable to execute QEMU agent command 'guest-exec': Guest agent command failed, error was 'Failed to execute child process “/x” (No such file or directory)'";
    expect(await guestAgent(refusing(text, 1), ref, clock).run("/x", { timeoutSeconds: 5, signal })).toEqual({
      kind: "missing",
    });
    const away = refusing("Guest agent is not responding: QEMU guest agent is not connected", 86);
    expect(await guestAgent(away, ref, clock).run("/x", { timeoutSeconds: 5, signal })).toMatchObject({
      kind: "unreachable",
    });
    expect(await guestAgent(away, ref, clock).answers(signal)).toBe(false);
    expect(
      await guestAgent(
        client(() => ({})),
        ref,
        clock,
      ).answers(signal),
    ).toBe(true);
  });

  it("takes nonsense from a guest for no answer", async () => {
    const agent = guestAgent(
      client(() => "nonsense"),
      ref,
      clock,
    );
    expect(await agent.run("/x", { timeoutSeconds: 5, signal })).toMatchObject({ kind: "unreachable" });
  });

  it("takes a connection that broke for no answer, one that cannot be made for an error", async () => {
    const failing = (kind: "lost" | "unreachable") =>
      client(() => {
        throw new LibvirtConnectionError(kind, { kind, outcome: "unknown", uri: "qemu:///system" });
      });
    expect(await guestAgent(failing("lost"), ref, clock).answers(signal)).toBe(false);
    expect(
      await guestAgent(failing("lost"), ref, clock).run("/x", { timeoutSeconds: 5, signal }),
    ).toMatchObject({ kind: "unreachable", reason: "lost" });
    await expect(guestAgent(failing("unreachable"), ref, clock).answers(signal)).rejects.toThrow(
      "unreachable",
    );
  });
});
