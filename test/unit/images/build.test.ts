import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { guestDigest } from "../../../images/guest.ts";
import { acquireLock } from "../../../images/lock.ts";
import { storedImages } from "../../../images/manifest.ts";
import { canonicalRecipe, imagePath, recipeId, slurmRecipe } from "../../../images/recipe.ts";
import { waitFor } from "../../support/wait.ts";

/** The builder with the package installation replaced: a script in place of mmdebstrap; all else is real. */
let folder = "";
const output = () => join(folder, "images");
const recipe = slurmRecipe(guestDigest(), { sizeMiB: 2048, kernelArguments: ["audit=0"] });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-build-"));
  mkdirSync(join(folder, "bin"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What installs instead of Debian's packages; $work is the builder's folder. */
function installer(script: string): void {
  const file = join(folder, "bin", "mmdebstrap");
  const work = "for word; do case $word in */tree) work=$(dirname $word);; esac; done\n";
  writeFileSync(file, `#!/bin/sh\nset -e\necho run >> ${folder}/runs\n${work}${script}\n`);
  chmodSync(file, 0o755);
}

const installed = `
mkdir -p $work/tree/etc
echo trixie > $work/tree/etc/debian_version
for file in vmlinuz initrd systemd-boot; do echo $file > $work/$file; done
printf 'base-files 13.1\\nslurmd 24.11.5-4\\n' > $work/packages`;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(
  text: string,
  env: NodeJS.ProcessEnv = {},
): { ended: Promise<Ended>; stop: (signal: NodeJS.Signals) => void } {
  const main = join(import.meta.dirname, "..", "..", "..", "images", "main.ts");
  const child = spawn(process.execPath, [main, "build", "--recipe-json", "-", "--output", output()], {
    env: {
      ...process.env,
      ...env,
      PATH: `${join(folder, "bin")}:${process.env.PATH}`,
      NODE_NO_WARNINGS: "1",
    },
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  child.stdin.end(text);
  return { ended, stop: (signal) => child.kill(signal) };
}
const build = (text = canonicalRecipe(recipe), env?: NodeJS.ProcessEnv) => start(text, env).ended;
const runs = () =>
  existsSync(join(folder, "runs")) ? readFileSync(join(folder, "runs"), "utf8").split("\n").length - 1 : 0;

/** The entry of the boot menu inside an image. */
function bootEntry(image: string): string {
  const raw = join(folder, "disk.raw");
  execFileSync("qemu-img", ["convert", "-O", "raw", image, raw]);
  return execFileSync("mtype", ["-i", `${raw}@@1M`, "::loader/entries/hyperlab.conf"], { encoding: "utf8" });
}

describe("a build", () => {
  it("leaves an image and its manifest, tells where, and is not repeated", async () => {
    installer(installed);
    const first = await build();
    expect(first.code, first.stderr).toBe(0);
    const built = JSON.parse(first.stdout);
    expect(built).toMatchObject({ id: recipeId(recipe), path: imagePath(output(), recipe) });
    expect(built.packagesSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(readdirSync(output()).sort()).toEqual([`${built.id}.json`, `${built.id}.qcow2`]);
    expect(readFileSync(built.path).subarray(0, 4).toString("latin1")).toBe("QFI\xfb");
    const manifest = JSON.parse(readFileSync(join(output(), `${built.id}.json`), "utf8"));
    expect(manifest.packages).toEqual(["base-files 13.1", "slurmd 24.11.5-4"]);
    expect(first.stderr).toMatch(/^\[ +\d+ s\] installing /m);
    expect(bootEntry(built.path)).toMatch(/^options root=PARTUUID=\S+ rw .* audit=0$/m);
    const second = await build();
    expect(second.stdout).toBe(first.stdout);
    expect(second.stderr).toBe("");
    expect(runs()).toBe(1);
  });

  it("of a moment takes its packages from the archive of that moment, whose validity is over", async () => {
    installer(`printf '%s\\n' "$@" > ${folder}/arguments\n${installed}`);
    const past = { ...recipe, snapshot: "20261101T000000Z" };
    const built = await build(canonicalRecipe(past), {
      HYPERLAB_SNAPSHOT_MIRROR: "http://archive.site/past/",
    });
    expect(built.code, built.stderr).toBe(0);
    expect(readFileSync(join(folder, "arguments"), "utf8").trimEnd().split("\n").slice(-3)).toEqual([
      "deb [check-valid-until=no] http://archive.site/past/debian/20261101T000000Z trixie main",
      "deb [check-valid-until=no] http://archive.site/past/debian/20261101T000000Z trixie-updates main",
      "deb [check-valid-until=no] http://archive.site/past/debian-security/20261101T000000Z trixie-security main",
    ]);
    const [image] = await storedImages(output());
    expect(image).toMatchObject({ id: recipeId(past), snapshot: "20261101T000000Z" });
    expect(image?.packages.get("slurmd")).toBe("24.11.5-4");
    expect(recipeId(past)).not.toBe(recipeId(recipe));
  });

  it("of a moment that cannot be had says so, and what else can be done", async () => {
    installer("echo 'E: Failed to fetch http://x/InRelease  Could not resolve host' >&2; exit 25");
    const broken = await build(canonicalRecipe({ ...recipe, snapshot: "20261101T000000Z" }));
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain("archive of 20261101T000000Z (image.snapshot) could not be had");
    expect(broken.stderr).toContain("HYPERLAB_SNAPSHOT_MIRROR");
    expect(broken.stderr).toContain("Could not resolve host");
    const present = await build();
    expect(present.stderr).not.toContain("HYPERLAB_SNAPSHOT_MIRROR");
  });

  it("is made anew when the image was damaged", async () => {
    installer(installed);
    const { path } = JSON.parse((await build()).stdout);
    writeFileSync(path, "short");
    expect((await build()).code).toBe(0);
    expect(runs()).toBe(2);
  });

  it("that breaks leaves nothing behind and says what the program said", async () => {
    installer("mkdir -p $work/tree/etc; echo half > $work/packages; echo 'E: no such package' >&2; exit 9");
    const broken = await build();
    expect(broken.code).toBe(1);
    expect(broken.stdout).toBe("");
    expect(broken.stderr).toContain("mmdebstrap ended with code 9");
    expect(broken.stderr).toContain("E: no such package");
    expect(readdirSync(output())).toEqual([]);
  });

  it("that fills the disk at its last step leaves nothing behind and says so", async () => {
    installer(installed);
    const full = "echo 'qemu-img: error while writing: No space left on device' >&2; exit 1";
    writeFileSync(join(folder, "bin", "qemu-img"), `#!/bin/sh\n${full}\n`, { mode: 0o755 });
    const broken = await build();
    expect(broken.code).toBe(1);
    expect(broken.stderr).toContain("No space left on device");
    expect(readdirSync(output())).toEqual([]);
  });

  it("that is interrupted leaves nothing behind", async () => {
    installer(`touch ${folder}/installing; exec sleep 600`);
    const running = start(canonicalRecipe(recipe));
    await waitFor("start of the installation", () => existsSync(join(folder, "installing")));
    running.stop("SIGINT");
    expect((await running.ended).code).toBe(1);
    expect(readdirSync(output())).toEqual([]);
  });

  it("that was killed is cleaned up by the next", async () => {
    installer(`touch ${folder}/installing; exec sleep 600`);
    const running = start(canonicalRecipe(recipe));
    await waitFor("start of the installation", () => existsSync(join(folder, "installing")));
    running.stop("SIGKILL");
    await running.ended;
    expect(readdirSync(output()).length).toBeGreaterThan(0);
    installer(installed);
    const next = await build();
    expect(next.code, next.stderr).toBe(0);
    expect(readdirSync(output()).sort()).toEqual([`${recipeId(recipe)}.json`, `${recipeId(recipe)}.qcow2`]);
  });

  it("at the same time as another waits and shares the result", async () => {
    installer(`sleep 1${installed}`);
    const both = await Promise.all([build(), build()]);
    expect(both.map((each) => each.code)).toEqual([0, 0]);
    expect(both[0].stdout).toBe(both[1].stdout);
    expect(runs()).toBe(1);
  });

  it("of other guest software than this release has is refused", async () => {
    installer(installed);
    const other = await build(canonicalRecipe(slurmRecipe("0".repeat(64))));
    expect(other.code).toBe(1);
    expect(other.stderr).toContain("another version of the guest software");
  });

  it("of a wrong recipe names every problem", async () => {
    installer(installed);
    const wrong = await build(canonicalRecipe({ ...recipe, sizeMiB: 1, packages: ["a b"] }));
    expect(wrong.stderr).toContain('packages: "a b"');
    expect(wrong.stderr).toContain("sizeMiB: 1");
    expect(runs()).toBe(0);
  });
});

describe("the lock", () => {
  it("of a dead process or of nonsense is judged rightly", async () => {
    const file = join(folder, "lock");
    writeFileSync(file, JSON.stringify({ host: hostname(), pid: process.pid, started: "1", token: "x" }));
    const release = await acquireLock(file, () => {});
    await release();
    expect(readdirSync(folder)).toEqual(["bin"]);
  });

  it("of another host is believed", async () => {
    const file = join(folder, "lock");
    writeFileSync(file, JSON.stringify({ host: "elsewhere", pid: 1, started: "1", token: "x" }));
    const abort = new AbortController();
    const said: string[] = [];
    const waiting = acquireLock(
      file,
      (text) => {
        said.push(text);
        abort.abort();
      },
      { signal: abort.signal },
    );
    await expect(waiting).rejects.toThrow(/abort/i);
    expect(said[0]).toContain("process 1 on elsewhere");
    expect(readdirSync(folder).sort()).toEqual(["bin", "lock"]);
  });

  it("of another host that gives no sign of life ends the wait with what to do", async () => {
    const file = join(folder, "lock");
    writeFileSync(file, JSON.stringify({ host: "elsewhere", pid: 1, started: "1", token: "x" }));
    const aDayAgo = new Date(Date.now() - 26 * 3_600_000);
    utimesSync(file, aDayAgo, aDayAgo);
    const said: string[] = [];
    const waiting = acquireLock(file, (text) => said.push(text), { beatMs: 10, silentMs: 100 });
    await expect(waiting).rejects.toThrow(
      `process 1 on elsewhere holds the lock ${file} and has given no sign of life for 26 h; whether it lives cannot be told from ${hostname()}. ` +
        `If no build of this image runs on elsewhere, remove ${file} and run again.`,
    );
    expect(said).toHaveLength(1);
    expect(readdirSync(folder).sort()).toEqual(["bin", "lock"]);
  });

  it("shows that its holder lives, for as long as it is held", async () => {
    const file = join(folder, "lock");
    const touched = () => statSync(file).mtimeMs;
    const release = await acquireLock(file, () => {}, { beatMs: 10, silentMs: 1_000 });
    const first = touched();
    await waitFor("a sign of life", () => touched() > first);
    await release();
    // Somebody else's lock is none of ours to keep alive.
    writeFileSync(file, "{}");
    const other = touched();
    const again = acquireLock(file, () => {}, { beatMs: 10, silentMs: 100 });
    await expect(again).rejects.toThrow("somebody holds the lock");
    expect(touched()).toBe(other);
  });
});
