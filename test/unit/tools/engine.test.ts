import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ensureEngine } from "../../../tools/engine/ensure.ts";
import { Reporter } from "../../../tools/report/progress.ts";

const silent = new Reporter({ write: () => {}, isTerminal: false, columns: 80 });
let cache = "";

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "hyperlab-engine-"));
  vi.stubEnv("PATH", join(cache, "nothing"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true, force: true });
});

describe("an engine that cannot be had", () => {
  it.each(["Go is not installed", "Go 1.19.8 is too old; 1.21.0 or newer is needed"])(
    "says what was tried and what to do: %s",
    async (problem) => {
      const releases = "http://127.0.0.1:9/releases";
      const failing = ensureEngine({ cache, report: silent, releases, findGo: async () => ({ problem }) });
      await expect(failing).rejects.toThrow(
        /could not be obtained.\n {2}download: http:\/\/127\.0\.0\.1:9\/.* cannot be reached: .*\n {2}build: pulumi cannot be built: Go .*\nInstall Pulumi by hand \(https:\/\/\S+\), or Go 1\.21 or newer, and try again\.$/,
      );
      await expect(failing).rejects.toThrow(problem);
      expect(readdirSync(join(cache, "engine")).filter((name) => /^\.new-|lock$/.test(name))).toEqual([]);
    },
  );
});
