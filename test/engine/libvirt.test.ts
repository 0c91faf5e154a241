/** Pools, volumes and networks under the real engine and a real libvirtd. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { Gate, uploaded } from "../support/libvirt-gate.ts";
import { clearHost } from "../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../support/libvirtd.ts";
import { nameOf, PulumiProject, stagePlugin } from "../support/pulumi.ts";
import { waitFor } from "../support/wait.ts";
import { processesWith } from "./support/processes.ts";

const owner = "owner-of-engine-tests";
let staged = "";
let plugin = "";
let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let project: PulumiProject;
let path = "";
let gate: Gate;
const imageMiB = 64;
let image = "";

beforeAll(async () => {
  staged = mkdtempSync(join(tmpdir(), "staged-"));
  plugin = await stagePlugin(staged, "libvirt", "providers/libvirt/main.ts");
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
  gate = await Gate.before(host.socket);
  image = join(host.directory, "image.raw");
  execFileSync("mke2fs", ["-q", "-F", image, `${imageMiB}M`]);
});
afterAll(async () => {
  await libvirt?.close();
  await gate?.stop();
  await host?.stop();
  rmSync(staged, { recursive: true, force: true });
});
beforeEach(async () => {
  path = join(host.directory, "epool");
  project = await newProject();
});
afterEach(async () => {
  project?.remove();
  gate.open();
  await clearHost(host.qemuUri, "e");
  rmSync(path, { recursive: true, force: true });
});

async function newProject(config: Record<string, string> = {}): Promise<PulumiProject> {
  const made = await PulumiProject.create("test/engine/libvirt/program.ts", { libvirt: plugin });
  await made.config({
    "test:uri": `qemu+unix:///system?socket=${gate.socket}`,
    "test:owner": owner,
    "test:path": path,
    ...config,
  });
  return made;
}

const refresh = () => project.must(["refresh", "--stack", "dev", "--yes", "--skip-preview"]);
const destroy = () => project.must(["destroy", "--stack", "dev", "--yes", "--skip-preview"]);
async function find<T>(object: Promise<T | undefined>): Promise<T> {
  const found = await object;
  if (found === undefined) throw new Error("the object is missing on the host");
  return found;
}

test("create, nothing to do, live changes with their preview, drift, destroy: the host is as it was", async () => {
  const before = await project.must(["preview", "--stack", "dev"]);
  expect(before).not.toMatch(/download|error/i);
  await project.up();
  const outputs = await project.outputs();
  expect(outputs).toMatchObject({ poolName: "epool", statePath: join(path, "state"), seedCapacity: 1 });
  expect(await project.preview()).toEqual([]);

  await project.config({ "test:sizeMiB": "20", "test:rangeEnd": "10.90.0.150" });
  const preview = await project.must(["preview", "--stack", "dev"]);
  expect(preview).toContain("epool/state: live: sizeMiB 10 → 20");
  expect(preview).toContain("elab: live: dhcpRange.end 10.90.0.199 → 10.90.0.150");
  await project.up();
  expect(await project.outputs()).toEqual(outputs);
  expect(await project.preview()).toEqual([]);

  const network = await find(libvirt.networkLookupByName("elab"));
  await libvirt.networkDestroy(network);
  await refresh();
  expect((await project.preview()).map((step) => nameOf(step.urn))).toEqual(["network"]);
  await project.up();
  expect(await libvirt.networkIsActive(network)).toBe(true);

  const { text, resources } = await project.state();
  expect(text).not.toContain("correct horse");
  const sizes = resources
    .filter((one) => one.type.startsWith("libvirt:"))
    .map((one) => JSON.stringify(one.outputs ?? {}).length);
  expect(Math.max(...sizes)).toBeLessThan(250);
  await destroy();
  expect(await libvirt.networkLookupByName("elab")).toBeUndefined();
  expect(await libvirt.storagePoolLookupByName("epool")).toBeUndefined();
  expect(existsSync(path)).toBe(false);
});

test("a volume that vanished comes back, a lost host removes nothing", async () => {
  await project.up();
  const pool = await find(libvirt.storagePoolLookupByName("epool"));
  await libvirt.storageVolDelete(await find(libvirt.storageVolLookupByName(pool, "state")));
  await host.kill();
  const lost = await project.run(["refresh", "--stack", "dev", "--yes", "--skip-preview"]);
  const left = (await project.state()).resources.map((one) => nameOf(one.urn));
  expect(lost.code).not.toBe(0);
  expect(lost.output).toContain("Nothing was removed from the state");
  expect(left).toContain("state");
  await host.start();
  await refresh();
  expect((await project.preview()).map((step) => `${step.op} ${nameOf(step.urn)}`)).toEqual(["create state"]);
  await project.up();
  expect(existsSync(join(path, "state"))).toBe(true);
  await destroy();
  expect(existsSync(path)).toBe(false);
});

test("an engine that is killed in the middle of an upload is followed by one that finishes", async () => {
  await project.config({ "test:image": image });
  gate.closeAt(uploaded(imageMiB * 512 * 1024));
  const child = project.start(["up", "--stack", "dev", "--yes", "--skip-preview"]);
  await waitFor("the middle of the upload", () => gate.closed, 240);
  const ended = new Promise((resolve) => child.once("close", resolve));
  child.kill("SIGKILL");
  await ended;
  const bundle = join(staged, "dist/providers/libvirt/plugin.cjs");
  await waitFor("the provider to be gone", async () => (await processesWith(bundle)).length === 0);
  gate.openForOthers();
  await project.must(["cancel", "--stack", "dev", "--yes"]);
  await project.must(["refresh", "--stack", "dev", "--yes", "--skip-preview", "--clear-pending-creates"]);
  await project.up();
  expect(execFileSync("cmp", [image, join(path, "image")], { encoding: "utf8" })).toBe("");
  expect(
    readdirSync(path)
      .filter((name) => !name.includes(".hyperlab-"))
      .sort(),
  ).toEqual(["image", "seed", "state"]);
  expect(readdirSync(path)).toHaveLength(6);
  await destroy();
  expect(existsSync(path)).toBe(false);
});

test("a wrong sum, a second stack and an existing file are refused; the next up succeeds when they are gone", async () => {
  const script = readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim();
  await project.config({ "test:image": image, "test:sha256": "0".repeat(64) });
  const wrong = await project.run(["up", "--stack", "dev", "--yes", "--skip-preview"]);
  expect(wrong.code).not.toBe(0);
  expect(wrong.output).toContain(`declared is ${"0".repeat(64)}`);
  expect(readdirSync(path).filter((name) => name.startsWith("image"))).toEqual([]);
  await project.must(["config", "rm", "--stack", "dev", "test:image"]);
  await project.up();

  const second = await newProject({ "test:owner": `owner-${script}` });
  try {
    const refused = await second.run(["up", "--stack", "dev", "--yes", "--skip-preview"]);
    expect(refused.code).not.toBe(0);
    expect(refused.output).toContain('a storage pool "epool" exists already');
    expect(refused.output).toContain('a network "elab" exists already');
    await destroy();
    await second.up();
    await second.must(["destroy", "--stack", "dev", "--yes", "--skip-preview"]);
  } finally {
    second.remove();
  }
  expect(existsSync(path)).toBe(false);
});

test("a second owner id for the same stack is refused before anything happens", async () => {
  await project.up();
  await project.config({ "test:owner": "another-owner-id" });
  const refused = await project.run(["preview", "--stack", "dev"]);
  expect(refused.code).not.toBe(0);
  expect(refused.output).toContain("restore the old value");
  await project.config({ "test:owner": owner });
  await destroy();
});
