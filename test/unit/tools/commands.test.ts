import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createContext } from "../../../tools/commands/context.ts";
import { down } from "../../../tools/commands/down.ts";
import { Refusal } from "../../../tools/preflight/refusal.ts";
import { Reporter } from "../../../tools/report/progress.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-down-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A checkout, as far as a command looks at it before the engine is needed. */
function checkout(): { XDG_STATE_HOME: string; XDG_CACHE_HOME: string } {
  writeFileSync(join(folder, "Pulumi.yaml"), "name: hyperlab\nruntime: nodejs\n");
  writeFileSync(join(folder, "Pulumi.dev.yaml"), "config: {}\n");
  return { XDG_STATE_HOME: join(folder, "läb state"), XDG_CACHE_HOME: join(folder, "läb cache") };
}

describe("folders that cannot be written", () => {
  it.each(["XDG_STATE_HOME", "XDG_CACHE_HOME"])(
    "are refused with the variable that moves them: %s",
    (name) => {
      const env = { ...checkout(), [name]: join(folder, "Pulumi.yaml", "below a file") };
      expect(() => createContext("dev", env, folder)).toThrow(Refusal);
      expect(() => createContext("dev", env, folder)).toThrow(`set ${name} to`);
    },
  );
});

it("down of what was never up says so and obtains no engine", async () => {
  const env = checkout();
  const shown: string[] = [];
  const report = new Reporter({ write: (text) => void shown.push(text), isTerminal: false, columns: 80 });
  const context = { ...createContext("dev", env, folder), report };
  expect(await down(context, { yes: false, keepProtected: false })).toBe(0);
  expect(shown.join("")).toContain("Stack dev has nothing to remove.");
  expect(existsSync(join(env.XDG_CACHE_HOME, "hyperlab", "engine"))).toBe(false);
});
