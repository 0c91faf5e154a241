import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseArguments, usage } from "../../../providers/plugin/arguments.ts";
import { configValue } from "../../../providers/plugin/config.ts";
import { Secret, Unknown } from "../../../providers/plugin/values.ts";

test.each([
  [["127.0.0.1:4000"], { kind: "serve", engineAddress: "127.0.0.1:4000" }],
  [
    ["--logtostderr", "-v=9", "--tracing", "tcp://x", "127.0.0.1:4000"],
    { kind: "serve", engineAddress: "127.0.0.1:4000" },
  ],
  [["--help"], { kind: "help" }],
  [["--version"], { kind: "version" }],
  [["--attach"], { kind: "attach" }],
  [[], { kind: "byHand" }],
  [["-v=9"], { kind: "byHand" }],
])("%j", (args, expected) => {
  expect(parseArguments(args)).toEqual(expected);
});

test("any arguments are understood as something", () =>
  fc.assert(fc.property(fc.array(fc.string()), (args) => parseArguments(args).kind.length > 0)));

test("the text for people names the plugin and how to use it", () => {
  expect(usage("libvirt", "1.0.0")).toContain("path: ./providers/libvirt");
});

test("configuration is read whether it arrives as a value or as JSON text", () => {
  expect(configValue("true", "boolean")).toBe(true);
  expect(configValue(true, "boolean")).toBe(true);
  expect(configValue(new Secret('{"a":[1,null]}'), "object")).toEqual({ a: [1, null] });
  expect(configValue("5", "string")).toBe("5");
  expect(configValue("not json", "number")).toBe("not json");
  expect(configValue(undefined, "number")).toBeUndefined();
  expect(configValue(new Unknown(), "number")).toBeInstanceOf(Unknown);
});
