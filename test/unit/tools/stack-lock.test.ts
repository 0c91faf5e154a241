import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { projectRoot } from "../../../tools/paths.ts";
import { Refusal } from "../../../tools/preflight/refusal.ts";
import { type StateLayout, stateLayout } from "../../../tools/state/layout.ts";
import { lockFolder, lockState } from "../../../tools/state/lock.ts";
import { withStackLock } from "../../../tools/state/stack-lock.ts";

let layout: StateLayout;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-lock-"));
  layout = stateLayout({ root: projectRoot(), stack: "dev", folder, env: {} });
});
afterEach(() => rmSync(layout.folder, { recursive: true, force: true }));

describe("work that holds a stack", () => {
  it("is seen as every other holder, and holds nothing afterwards", async () => {
    const result = await withStackLock(layout, async () => {
      expect(lockState(layout)).toMatchObject({ kind: "held", lock: { pid: process.pid } });
      return 7;
    });
    expect(result).toBe(7);
    await expect(withStackLock(layout, () => Promise.reject(new Error("no host")))).rejects.toThrow(
      "no host",
    );
    expect(readdirSync(lockFolder(layout) ?? "")).toEqual([]);
  });

  it("is alone; who comes second goes and leaves the first", async () => {
    let ran = false;
    await withStackLock(layout, async () => {
      const second = withStackLock(layout, async () => {
        ran = true;
      });
      await expect(second).rejects.toBeInstanceOf(Refusal);
      await expect(second).rejects.toThrow(`stack dev is in use by process ${process.pid}`);
      expect(lockState(layout).kind).toBe("held");
    });
    expect(ran).toBe(false);
  });

  it("runs without a lock where the backend has none of ours", async () => {
    const away = { ...layout, backendFolder: undefined };
    expect(await withStackLock(away, async () => lockState(layout).kind)).toBe("none");
  });
});
