#!/usr/bin/env node
/**
 * Builds what runs: the SDKs in sdks/, the project with tsc into dist/, one bundle per provider plugin, and the files
 * that code reads at run time. Plain JavaScript for Node 20 and newer, because it runs inside `npm ci` before anything
 * is compiled. A stage whose inputs are unchanged (by content) is skipped. Quiet unless it fails or --verbose is given.
 *
 * Usage: node tools/build.mjs [--sdks | --plugins] [--verbose] [--force]
 *   --sdks     only the SDKs
 *   --plugins  only what plugins and SDKs need, without checking types
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { linkHyperlab, linkNode } from "./link-programs.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const verbose = process.argv.includes("--verbose");
const force = process.argv.includes("--force");

/** Folders with TypeScript that is part of the product: those of tsconfig.json but the tests, which vitest runs itself. */
const sourceFolders = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")).include.filter(
  (entry) => !entry.includes("*") && entry !== "test",
);
/** What code reads at run time and tsc does not copy: a folder or a file, taken over with its mode. */
const assets = ["images/cloud-guest", "images/guest", "images/hooks", "providers/*/schema.json"];
/** Optional native parts of ssh2, which falls back to JavaScript without them. */
const nativeOptional = ["cpu-features", "*.node"];

class BuildError extends Error {}

const say = (text) => verbose && console.log(`build: ${text}`);

function filesUnder(path, keep) {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.name !== "node_modules")
    .flatMap((entry) => {
      const child = join(path, entry.name);
      if (entry.isDirectory()) return filesUnder(child, keep);
      return keep(child) ? [child] : [];
    })
    .sort();
}

function digest(files, salt = "") {
  const hash = createHash("sha256").update(salt);
  for (const file of files) {
    const link = lstatSync(file).isSymbolicLink();
    hash.update(`\0${relative(root, file)}\0${link ? "" : statSync(file).mode & 0o111}\0`);
    hash.update(link ? readlinkSync(file) : readFileSync(file));
  }
  return hash.digest("hex");
}

const stampFile = (stage) => join(dist, ".stamps", stage.replaceAll("/", "_"));
const readStamp = (stage) => (existsSync(stampFile(stage)) ? readFileSync(stampFile(stage), "utf8") : "");

/** Runs `work` unless the stage was done for the same inputs and all its outputs are there. */
async function stage(name, inputs, outputs, work) {
  if (!force && readStamp(name) === inputs && outputs().every((file) => existsSync(file))) return;
  const start = Date.now();
  rmSync(stampFile(name), { force: true });
  await work();
  mkdirSync(dirname(stampFile(name)), { recursive: true });
  writeFileSync(stampFile(name), inputs);
  say(`${name} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
}

function runTsc(what, args, cwd) {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  if (!existsSync(compiler)) {
    throw new BuildError(
      "the TypeScript compiler is not installed; run `npm ci` in the checkout and try again",
    );
  }
  const result = spawnSync(process.execPath, [compiler, ...args], { cwd, encoding: "utf8" });
  if (result.error) throw new BuildError(`tsc could not be started: ${result.error.message}`);
  if (result.status === 0) return;
  const text = `${result.stdout}${result.stderr}`.trim();
  const count = text.split("\n").filter((line) => /error TS\d+/.test(line)).length;
  throw new BuildError(`${what} does not compile (${count} error${count === 1 ? "" : "s"}):\n${text}`);
}

async function buildSdks() {
  const folder = join(root, "sdks");
  if (!existsSync(folder)) return "";
  const digests = [];
  for (const name of readdirSync(folder).sort()) {
    const sdk = join(folder, name);
    if (!existsSync(join(sdk, "tsconfig.json"))) continue;
    const bin = join(sdk, "bin");
    const sources = filesUnder(sdk, (file) => !file.startsWith(`${bin}/`) && /\.(ts|json)$/.test(file));
    const inputs = digest(sources, toolVersions);
    digests.push(inputs);
    await stage(
      `sdk/${name}`,
      inputs,
      () => [join(bin, "index.js"), join(bin, "index.d.ts")],
      () => {
        rmSync(bin, { recursive: true, force: true });
        runTsc(`sdks/${name}`, ["-p", sdk, "--ignoreDeprecations", "6.0", "--skipLibCheck"], sdk);
        // A generated SDK reads its own version from package.json beside its compiled code.
        cpSync(join(sdk, "package.json"), join(bin, "package.json"));
      },
    );
  }
  return digests.join();
}

const isProductSource = (file) => /\.(ts|json)$/.test(file) && !/\.(test|d)\.ts$/.test(file);

function productSources() {
  const top = readdirSync(root)
    .filter((name) => name.endsWith(".ts") && name !== "vitest.config.ts" && !name.endsWith(".test.ts"))
    .map((name) => join(root, name));
  return [...top, ...sourceFolders.flatMap((folder) => filesUnder(join(root, folder), isProductSource))];
}

const compiled = (source) => join(dist, relative(root, source).replace(/\.ts$/, ".js"));

/** Compiled files of sources that are gone would still be importable. */
function removeOrphans() {
  for (const file of filesUnder(dist, (name) => /\.(js|d\.ts)$/.test(name))) {
    const source = join(root, relative(dist, file).replace(/(\.d\.ts|\.js)$/, ".ts"));
    if (!existsSync(source) && !isCopiedAsset(relative(dist, file))) rmSync(file);
  }
}

async function compileProject(sources, inputs) {
  const outputs = () => sources.filter((file) => file.endsWith(".ts")).map(compiled);
  await stage("project", inputs, outputs, () => {
    // tsc trusts its build information and would not write files that somebody deleted.
    const info = join(dist, ".tsbuildinfo.build");
    if (force || !outputs().every((file) => existsSync(file))) rmSync(info, { force: true });
    runTsc("the project", ["-p", join(root, "tsconfig.build.json")], root);
    removeOrphans();
  });
}

async function bundleProviders(inputs) {
  const folder = join(root, "providers");
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).sort()) {
    const entry = join(folder, name, "main.ts");
    if (!existsSync(entry)) continue;
    const output = join(dist, "providers", name, "plugin.cjs");
    await stage(
      `bundle/${name}`,
      inputs,
      () => [output],
      () => bundle(entry, output),
    );
  }
}

async function bundle(entry, output) {
  const esbuild = await import("esbuild");
  const temporary = `${output}.${process.pid}.tmp`;
  try {
    await esbuild.build({
      entryPoints: [entry],
      outfile: temporary,
      bundle: true,
      platform: "node",
      target: "node20",
      format: "cjs",
      external: nativeOptional,
      // CommonJS has no import.meta; code that finds files beside itself keeps working.
      define: { "import.meta.url": "hyperlabModuleUrl", "import.meta.dirname": "__dirname" },
      banner: { js: 'const hyperlabModuleUrl = require("node:url").pathToFileURL(__filename).href;' },
      logLevel: "silent",
      absWorkingDir: root,
    });
    // A plugin that is just being started must see the old bundle or the new one, never a half.
    renameSync(temporary, output);
  } catch (error) {
    rmSync(temporary, { force: true });
    if (!Array.isArray(error?.errors)) throw error;
    const text = await esbuild.formatMessages(error.errors, { kind: "error" });
    throw new BuildError(`${relative(root, entry)} cannot be bundled:\n${text.join("\n").trim()}`);
  }
}

function assetPaths() {
  return assets.flatMap((pattern) => {
    const [before, after] = pattern.split("*");
    if (after === undefined) return existsSync(join(root, pattern)) ? [pattern] : [];
    const folder = join(root, before);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .map((name) => `${before}${name}${after}`)
      .filter((path) => existsSync(join(root, path)));
  });
}

const isCopiedAsset = (path) => assetPaths().some((asset) => path === asset || path.startsWith(`${asset}/`));

async function copyAssets() {
  for (const path of assetPaths()) {
    const from = join(root, path);
    const files = lstatSync(from).isDirectory() ? filesUnder(from, () => true) : [from];
    const targets = files.map((file) => join(dist, relative(root, file)));
    await stage(
      `asset/${path}`,
      digest(files),
      () => targets,
      () => {
        rmSync(join(dist, path), { recursive: true, force: true });
        for (const [index, file] of files.entries()) {
          mkdirSync(dirname(targets[index]), { recursive: true });
          cpSync(file, targets[index], { dereference: false, verbatimSymlinks: true });
          if (!lstatSync(file).isSymbolicLink()) chmodSync(targets[index], statSync(file).mode & 0o777);
        }
      },
    );
  }
}

/** Tool versions are inputs too: a new compiler builds everything again. */
const toolVersions = ["typescript", "esbuild", "@pulumi/pulumi"]
  .map((name) => join(root, "node_modules", name, "package.json"))
  .map((file) => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).version : "none"))
  .concat(
    digest([fileURLToPath(import.meta.url), join(root, "tsconfig.json"), join(root, "tsconfig.build.json")]),
  )
  .join();

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
};

/** One build at a time per checkout: tests, scripts and an editor may start one each. */
async function withLock(work) {
  mkdirSync(dist, { recursive: true });
  const lock = join(dist, ".build.lock");
  const deadline = Date.now() + 600_000;
  for (;;) {
    try {
      const file = openSync(lock, "wx");
      writeFileSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    const owner = Number(existsSync(lock) ? readFileSync(lock, "utf8") : "");
    const age = existsSync(lock) ? Date.now() - statSync(lock).mtimeMs : 0;
    if (owner > 0 ? !isAlive(owner) : age > 5000) rmSync(lock, { force: true });
    else if (Date.now() > deadline) {
      throw new BuildError(
        `another build (process ${owner}) has held ${lock} for ten minutes; end it and try again`,
      );
    } else await new Promise((done) => setTimeout(done, 100));
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** The JSON schema and the reference page of the cluster file, from the compiled schema. Unchanged files stay untouched. */
async function writeGenerated(inputs) {
  const files = [join(root, "config", "lab.schema.json"), join(root, "docs", "reference", "cluster-file.md")];
  await stage(
    "generated",
    inputs,
    () => files,
    () => {
      const program = join(dist, "config", "write-generated.js");
      const result = spawnSync(process.execPath, [program, root], { encoding: "utf8" });
      if (result.error) throw new BuildError(`${program} could not be started: ${result.error.message}`);
      if (result.status !== 0)
        throw new BuildError(`the generated files were not written:\n${result.stderr}`);
    },
  );
}

async function build() {
  linkNode(root);
  linkHyperlab(root);
  const sdks = await buildSdks();
  if (process.argv.includes("--sdks")) return;
  const sources = productSources();
  const inputs = digest(sources, `${toolVersions}${sdks}`);
  await copyAssets();
  await bundleProviders(inputs);
  if (process.argv.includes("--plugins")) return;
  await compileProject(sources, inputs);
  await writeGenerated(inputs);
}

try {
  await withLock(build);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`build: ${error.message}`);
  process.exitCode = 1;
}
