import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { fileBackendFolder, prepareState, stateLayout } from "../../../tools/state/layout.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-layout-"));
  writeFileSync(join(folder, "Pulumi.yaml"), "name: hyperlab\nruntime: nodejs\n");
  writeFileSync(join(folder, "Pulumi.dev.yaml"), "config:\n  hyperlab:file: examples/dev.yaml\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

const layoutWith = (env: NodeJS.ProcessEnv = {}) =>
  stateLayout({ root: folder, stack: "dev", folder: join(folder, "state"), env });

describe("where state lives", () => {
  it("makes a passphrase once, which only the owner reads", () => {
    const layout = layoutWith();
    prepareState(layout, folder);
    const file = join(folder, "state", "passphrase");
    const first = readFileSync(file, "utf8");
    expect(first.trim().length).toBeGreaterThanOrEqual(43);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(layout.folder).mode & 0o777).toBe(0o700);
    prepareState(layout, folder);
    expect(readFileSync(file, "utf8")).toBe(first);
  });

  it("refuses an empty passphrase file instead of making another one", () => {
    prepareState(layoutWith(), folder);
    writeFileSync(join(folder, "state", "passphrase"), "");
    expect(() => prepareState(layoutWith(), folder)).toThrow(/passphrase file .* is empty/);
  });

  it("respects a backend and a passphrase of the user's own", () => {
    const layout = layoutWith({ PULUMI_BACKEND_URL: "s3://lab-state", PULUMI_CONFIG_PASSPHRASE: "" });
    expect(layout.backendUrl).toBe("s3://lab-state");
    expect(layout.backendFolder).toBeUndefined();
    expect(layout.passphraseFile).toBeUndefined();
  });

  it("leaves the committed stack file as it is and follows its changes", () => {
    const layout = layoutWith();
    prepareState(layout, folder);
    writeFileSync(layout.stackFile, `${readFileSync(layout.stackFile, "utf8")}encryptionsalt: v1:abc\n`);
    writeFileSync(join(folder, "Pulumi.dev.yaml"), "config:\n  hyperlab:file: examples/other.yaml\n");
    prepareState(layout, folder);
    expect(readFileSync(layout.stackFile, "utf8")).toBe(
      "config:\n  hyperlab:file: examples/other.yaml\nencryptionsalt: v1:abc\n",
    );
    expect(readFileSync(join(folder, "Pulumi.dev.yaml"), "utf8")).not.toContain("salt");
  });

  it.each([
    ["file:///srv/state", "/srv/state"],
    ["file:///srv/state?no_tmp_dir=1", "/srv/state"],
    ["file:///srv/my%20state", "/srv/my state"],
    ["file://~", "/home/ada"],
    ["file://~/lab", "/home/ada/lab"],
    ["s3://bucket", undefined],
    ["https://api.pulumi.com", undefined],
    ["file://relative", undefined],
  ])("backend %s is in %s", (url, expected) => {
    expect(fileBackendFolder(url, "/home/ada")).toBe(expected);
  });
});
