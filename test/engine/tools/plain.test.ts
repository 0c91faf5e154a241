/** README.md, "Without the scripts": a Pulumi user in a fresh checkout, with the engine and npm alone. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureEngine } from "../../../tools/engine/ensure.ts";
import { engineEnvironment } from "../../../tools/engine/environment.ts";
import { cacheFolder, projectRoot } from "../../../tools/paths.ts";
import { run } from "../../../tools/process/run.ts";
import { consoleReporter } from "../../../tools/report/progress.ts";
import { stateLayout } from "../../../tools/state/layout.ts";

/** No daemon listens there: a preview must do without a host. */
const NO_HOST = "qemu+unix:///system?socket=/nonexistent/libvirt-sock";

let base: string;
let checkout: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  base = mkdtempSync(join(tmpdir(), "hyperlab-plain-"));
  checkout = join(base, "hyperlab");
  await copyCheckout(projectRoot(), checkout);
  const example = join(checkout, "examples", "dev.yaml");
  const text = readFileSync(example, "utf8").replace(
    /^( +)hypervisor: auto$/m,
    `$1host: { uri: "${NO_HOST}" }`,
  );
  expect(text).toContain(NO_HOST);
  writeFileSync(example, text);
  env = await environment();
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** The files that git knows, as they are now, and what npm would download, shared by hard links. */
async function copyCheckout(from: string, to: string): Promise<void> {
  const listed = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: from,
  });
  expect(listed.code, listed.stderr).toBe(0);
  for (const file of listed.stdout
    .split("\0")
    .filter((name) => name !== "" && existsSync(join(from, name)))) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    cpSync(join(from, file), join(to, file), { verbatimSymlinks: true });
  }
  const linked = await run("cp", ["-al", join(from, "node_modules"), to]);
  if (linked.code !== 0) {
    const copied = await run("cp", ["-a", join(from, "node_modules"), to]);
    expect(copied.code, copied.stderr).toBe(0);
  }
}

/** What a Pulumi user has: the engine on PATH, a backend and a passphrase. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const cache = cacheFolder();
  const backend = join(base, "backend");
  mkdirSync(backend);
  return engineEnvironment({
    root: checkout,
    cache,
    engine: await ensureEngine({ cache, report: consoleReporter() }),
    layout: stateLayout({
      root: checkout,
      stack: "dev",
      folder: join(base, "state"),
      env: { PULUMI_BACKEND_URL: `file://${backend}`, PULUMI_CONFIG_PASSPHRASE: "plain" },
    }),
    // Where the official plugin cannot be had, ours is put on PATH, as documented.
    commandPluginFolder: join(checkout, "providers", "command"),
    base: {
      ...process.env,
      PULUMI_CONFIG_PASSPHRASE: "plain",
      PULUMI_HOME: join(base, "pulumi-home"),
      XDG_STATE_HOME: join(base, "state-home"),
    },
  });
}

/** Runs a command line of README.md in the checkout; it must succeed. */
async function must(command: string): Promise<string> {
  const ended = await run("bash", ["-c", command], { cwd: checkout, env });
  expect(ended.code, `${command}\n${ended.stdout}${ended.stderr}`).toBe(0);
  return ended.stdout;
}

describe("in a fresh checkout", () => {
  it("the program is compiled, a stack made and previewed, without a host", async () => {
    await must("npm install");
    expect(existsSync(join(checkout, "dist", "lab.js"))).toBe(true);
    await must("pulumi stack init dev");

    const said = await must("pulumi preview --stack dev");
    for (const machine of ["dev-controller", "dev-compute-01", "dev-compute-02"]) {
      expect(said).toContain(`${machine}: create\n`);
    }
    expect(said).toMatch(/\+ \d+ to create/);
    expect(said).not.toMatch(/error:/);
  });
});
