import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  AgentProtocolError,
  execCommand,
  execStatusCommand,
  parseExec,
  parseExecStatus,
  parsePing,
} from "../../../providers/libvirt/resources/domain/agent/protocol.ts";

const answer = (value: unknown) => JSON.stringify({ return: value });
const base64 = (text: string) => Buffer.from(text).toString("base64");

describe("commands", () => {
  it("carry arguments and standard input unchanged", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.array(fc.string()),
        fc.string({ unit: "grapheme" }),
        (path, args, input) => {
          const sent = JSON.parse(execCommand(path, args, input));
          expect(sent.arguments.path).toBe(path);
          expect(sent.arguments.arg).toEqual(args);
          expect(Buffer.from(sent.arguments["input-data"], "base64").toString()).toBe(
            Buffer.from(input).toString(),
          );
        },
      ),
    );
  });

  it("send no standard input where there is none", () => {
    expect(JSON.parse(execCommand("/x", []))).toEqual({
      execute: "guest-exec",
      arguments: { path: "/x", arg: [], "capture-output": true },
    });
    expect(JSON.parse(execStatusCommand(7))).toEqual({ execute: "guest-exec-status", arguments: { pid: 7 } });
  });
});

describe("variables", () => {
  it("come with a PATH, because the agent then gives a program nothing of its own", () => {
    const sent = JSON.parse(execCommand("/x", [], undefined, { HYPERLAB_OVERDUE: "kill" }));
    expect(sent.arguments.env).toEqual([
      expect.stringMatching(/^PATH=.*\/usr\/bin/),
      "HYPERLAB_OVERDUE=kill",
    ]);
    expect(JSON.parse(execCommand("/x", [], undefined, {})).arguments).not.toHaveProperty("env");
  });
});

describe("parseExecStatus", () => {
  it("reads exit code and output", () => {
    const text = answer({
      exited: true,
      exitcode: 75,
      "out-data": base64("waits for 2 jobs\n"),
      "err-data": "",
    });
    expect(parseExecStatus(text)).toEqual({
      running: false,
      exitCode: 75,
      signal: undefined,
      stdout: "waits for 2 jobs\n",
      stderr: "",
    });
  });

  it("knows a program that runs, and one that a signal ended", () => {
    expect(parseExecStatus(answer({ exited: false }))).toEqual({ running: true });
    expect(parseExecStatus(answer({ exited: true, signal: 9 }))).toMatchObject({
      exitCode: undefined,
      signal: 9,
    });
  });

  it("cuts output that could fill our memory", () => {
    const text = answer({ exited: true, exitcode: 0, "out-data": base64("x".repeat(1_000_000)) });
    const status = parseExecStatus(text);
    expect(status.running === false && status.stdout.length).toBeLessThan(70_000);
  });

  it("quotes the agent's own reason", () => {
    const text = JSON.stringify({ error: { class: "GenericError", desc: "PID 1 does not exist" } });
    expect(() => parseExecStatus(text)).toThrow("PID 1 does not exist");
  });
});

describe("fuzz", () => {
  const parsers = [parsePing, parseExec, parseExecStatus];
  const expectProtocolError = (parse: (text: string) => unknown, text: string) => {
    try {
      parse(text);
    } catch (error) {
      expect(error).toBeInstanceOf(AgentProtocolError);
    }
  };

  it("any text gives a value or a protocol error", () => {
    fc.assert(fc.property(fc.constantFrom(...parsers), fc.string({ unit: "binary" }), expectProtocolError));
  });

  it("any JSON gives a value or a protocol error", () => {
    const values = fc.oneof(
      fc.jsonValue(),
      fc.record({ return: fc.jsonValue() }),
      fc.record({ return: fc.record({ pid: fc.jsonValue(), exited: fc.jsonValue() }) }),
      fc.record({
        return: fc.record(
          { exited: fc.constant(true), exitcode: fc.jsonValue(), "out-data": fc.jsonValue() },
          { requiredKeys: [] },
        ),
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...parsers), values, (parse, value) =>
        expectProtocolError(parse, JSON.stringify(value)),
      ),
    );
  });
});
