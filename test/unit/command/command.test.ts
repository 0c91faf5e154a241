import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFields } from "../../../providers/command/check.ts";
import {
  connectionFields,
  localCommandFields,
  remoteCommandFields,
} from "../../../providers/command/fields.ts";
import { compileGlob, compileGlobs } from "../../../providers/command/local/glob.ts";
import { OutputCollector } from "../../../providers/command/output.ts";
import { packageSchema } from "../../../providers/command/package-schema.ts";
import { parseHostKey } from "../../../providers/command/remote/host-key.ts";
import { maskOf } from "../../../providers/command/secrets.ts";
import { type PropertyMap, Secret } from "../../../providers/plugin/index.ts";

describe("globs", () => {
  test.each([
    ["*.txt", ["a.txt", ".txt"], ["a/b.txt", "a.txtx"]],
    ["**.js", ["a.js", "a/b/c.js"], ["a.ts"]],
    ["src/**", ["src/a", "src/a/b"], ["src", "other/a"]],
    ["a?c", ["abc", "a€c"], ["a/c", "ac"]],
    ["[a-c]1", ["a1", "c1"], ["d1"]],
    ["[!a-c]1", ["d1"], ["a1", "/1"]],
    ["[-x]", ["-", "x"], ["y"]],
    ["{a,b*}.log", ["a.log", "bcd.log"], ["c.log"]],
    ["a\\*b", ["a*b"], ["axb"]],
    ["a+(b).c", ["a+(b).c"], ["aab.c"]],
    ["😀*", ["😀", "😀x"], ["x"]],
  ])("%s", (glob, matching, other) => {
    const matches = compileGlob(glob);
    expect(matching.filter((path) => !matches(path))).toEqual([]);
    expect(other.filter((path) => matches(path))).toEqual([]);
  });

  test("later rules win", () => {
    const matches = compileGlobs(["assets/**", "src/**.js", "!**secret.*"]);
    const files = ["assets/logos/logo.svg", "src/index.js", "src/secret.js", "other"];
    expect(files.filter(matches)).toEqual(["assets/logos/logo.svg", "src/index.js"]);
  });

  test("any text is a glob or a clear error, and a literal matches itself", () =>
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        try {
          compileGlob(text);
        } catch (error) {
          expect(String(error)).toMatch(/the glob .* has a "[[{]" without/);
        }
        const literal = text.replace(/[\\*?[\]{},]/g, "");
        expect(compileGlob(literal)(literal)).toBe(true);
      }),
    ));
});

describe("checks", () => {
  test("checked inputs are a fixed point and never lose a value", () =>
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom(...Object.keys(remoteCommandFields), "odd"), fc.jsonValue()),
        (raw) => {
          const news: PropertyMap = JSON.parse(JSON.stringify(raw));
          const first = checkFields(remoteCommandFields, news);
          const second = checkFields(remoteCommandFields, first.inputs);
          expect(second.inputs).toEqual(first.inputs);
          for (const key of Object.keys(news)) {
            const known = Object.hasOwn(remoteCommandFields, key) && news[key] !== null;
            if (known) expect(first.inputs[key]).toBeDefined();
            else if (key === "odd")
              expect(first.failures.some(({ property }) => property === "odd")).toBe(true);
          }
        },
      ),
    ));
});

describe("schema", () => {
  test("names every field and what the SDK relies on", () => {
    const schema: {
      name: string;
      types: Record<string, { properties?: object }>;
      resources: Record<string, { inputProperties: Record<string, object>; requiredInputs: string[] }>;
      functions: Record<string, object>;
    } = JSON.parse(packageSchema("1.2.1"));
    expect(schema.name).toBe("command");
    expect(Object.keys(schema.resources).sort()).toEqual([
      "command:local:Command",
      "command:remote:Command",
      "command:remote:CopyToRemote",
    ]);
    expect(Object.keys(schema.resources["command:local:Command"]?.inputProperties ?? {})).toEqual(
      Object.keys(localCommandFields),
    );
    expect(schema.resources["command:remote:Command"]?.inputProperties.connection).toMatchObject({
      secret: true,
    });
    expect(Object.keys(schema.types["command:remote:Connection"]?.properties ?? {})).toEqual(
      Object.keys(connectionFields),
    );
    expect(Object.keys(schema.functions)).toEqual(["command:local:run"]);
  });
});

describe("host keys", () => {
  const blob = (type: string, rest = "x".repeat(32)) => {
    const name = Buffer.from(type);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(name.length);
    return Buffer.concat([length, name, Buffer.from(rest)]).toString("base64");
  };

  test("with comment, with host, of each type", () => {
    const ed25519 = blob("ssh-ed25519");
    expect(parseHostKey(`ssh-ed25519 ${ed25519} me@here\n`).algorithms).toEqual(["ssh-ed25519"]);
    expect(parseHostKey(`[host]:22 ssh-ed25519 ${ed25519}`).type).toBe("ssh-ed25519");
    expect(parseHostKey(`ssh-rsa ${blob("ssh-rsa")}`).algorithms).toContain("rsa-sha2-512");
  });

  test("anything else is an error, never a key", () =>
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.string(), fc.base64String()).map((words) => words.join(" ")),
          fc.base64String().map((text) => `ssh-ed25519 ${text}`),
        ),
        (text) => {
          expect(() => parseHostKey(text)).toThrow("is not a public key");
        },
      ),
    ));
});

describe("output", () => {
  const anyText = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\r", ""));

  test("however it is cut, the text is the same and every shown line is a line of it", () =>
    fc.assert(
      fc.property(anyText, fc.array(fc.nat({ max: 20 })), (text, cuts) => {
        const shown: string[] = [];
        const collector = new OutputCollector(
          "stdoutAndStderr",
          (line) => shown.push(line),
          (line) => line,
        );
        let rest = Buffer.from(text, "utf8");
        const whole = rest.toString("utf8");
        for (const cut of cuts) {
          collector.add("stdout", rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
        collector.add("stdout", rest);
        collector.end();
        expect(collector.output().stdout).toBe(whole.replace(/\n$/, ""));
        expect(shown.join("\n")).toBe(whole.replace(/\n$/, ""));
      }),
    ));

  test("the rest is waited for until the streams close, silence, or a time in all", async () => {
    const collector = new OutputCollector(
      "none",
      () => {},
      (line) => line,
    );
    expect(await collector.rest(Promise.resolve(), { silence: 50, total: 100 })).toBe(true);
    const never = new Promise(() => {});
    expect(await collector.rest(never, { silence: 10, total: 100 })).toBe(false);
    const chatter = setInterval(() => collector.add("stdout", Buffer.from(".")), 5);
    const start = Date.now();
    expect(await collector.rest(never, { silence: 1000, total: 150 })).toBe(false);
    clearInterval(chatter);
    expect(Date.now() - start).toBeGreaterThanOrEqual(140);
  });
});

describe("masks", () => {
  test("secret inputs, line by line, and credentials; not host, user or short texts", () => {
    const mask = maskOf({
      stdin: new Secret("first line\nsecond line"),
      environment: { PLAIN: "visible", TOKEN: new Secret("tok-123") },
      create: new Secret("ls"),
      connection: new Secret({
        host: "node-1.example",
        password: "pass-word",
        proxy: { host: "bastion.example", privateKey: "KEY LINE ONE\nKEY LINE TWO" },
      }),
    });
    expect(
      mask("ls node-1.example bastion.example visible second line tok-123 pass-word KEY LINE TWO first line"),
    ).toBe("ls node-1.example bastion.example visible [secret] [secret] [secret] [secret] [secret]");
  });
});
