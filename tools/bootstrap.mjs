#!/usr/bin/env node
/**
 * Entry of every npm script: makes the checkout ready to run and hands over to the compiled program. Plain JavaScript
 * without dependencies for Node 20 and newer, because nothing is installed yet.
 *
 * Usage: node tools/bootstrap.mjs COMMAND [ARGUMENTS]; `node tools/bootstrap.mjs --help` lists the commands.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const LEAST_NODE = 20;
const LEAST_NPM = 9;
/** Pulumi and vitest want this one for everything after the bootstrap. */
const PROGRAM_NODE = 22;
const HEARTBEAT_MS = 15_000;
const FRAME_MS = 100;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

class SetupError extends Error {}

function elapsed(start) {
  const milliseconds = Date.now() - start;
  if (milliseconds < 9950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60
    ? `${seconds} s`
    : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/**
 * Runs a program whose output matters only when it fails, and shows that it lives: a spinner on a terminal, else a line
 * every 15 s. Everything goes to standard error: standard output belongs to the command.
 */
function runStep(label, program, args, failure) {
  const terminal = process.stderr.isTTY === true;
  const start = Date.now();
  let last = "";
  let output = "";
  let shown = false;
  const status = () => `${label}${last === "" ? "" : `: ${last}`} (${elapsed(start)})`;
  const show = () => {
    shown = true;
    const frame = FRAMES[Math.floor(Date.now() / FRAME_MS) % FRAMES.length];
    if (terminal)
      process.stderr.write(`\r\u001b[2K${frame} ${status().slice(0, (process.stderr.columns ?? 80) - 3)}`);
    else process.stderr.write(`  … ${status()}\n`);
  };
  const timer = setInterval(show, terminal ? FRAME_MS : HEARTBEAT_MS);
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => {
        output = (output + text).slice(-100_000);
        last = text.trim().split("\n").at(-1).trim() || last;
      });
    }
    const finish = (code, problem) => {
      clearInterval(timer);
      if (terminal && shown) process.stderr.write("\r\u001b[2K");
      if (code === 0) {
        // What took no time is not worth a line.
        if (Date.now() - start > 1_000) process.stderr.write(`✓ ${label} (${elapsed(start)})\n`);
        done();
      } else fail(new SetupError(`${failure}\n${problem ?? output.trim()}`));
    };
    child.on("error", (error) => finish(1, error.message));
    child.on("close", (code, signal) => {
      if (signal === "SIGINT" || signal === "SIGTERM") process.exit(130);
      finish(code ?? 1);
    });
  });
}

function checkNode() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= LEAST_NODE) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old: hyperlab needs ${LEAST_NODE} or newer. Install one, for example from https://nodejs.org.`,
  );
}

/** Program and first arguments that run npm: the one that runs us, else the one on PATH. */
function npmCommand() {
  const self = process.env.npm_execpath;
  if (self !== undefined && /npm-cli\.c?js$/.test(self) && existsSync(self)) return [process.execPath, self];
  const onPath = findProgram("npm");
  if (onPath === undefined)
    throw new SetupError("npm is not on PATH; it comes with Node (https://nodejs.org) or as package npm");
  return [onPath];
}

function findProgram(name, accept = () => true) {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
    } catch {
      continue;
    }
    if (accept(file)) return file;
  }
  return undefined;
}

function checkNpm() {
  const version = /\bnpm\/(\d+)\./.exec(process.env.npm_config_user_agent ?? "")?.[1];
  if (version !== undefined && Number(version) < LEAST_NPM) {
    throw new SetupError(
      `npm ${version} is too old: ${LEAST_NPM} or newer is needed. Run: npm install -g npm`,
    );
  }
}

const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** Whether everything that package-lock.json asks for is installed: npm's own record says what is. */
function dependenciesAreInstalled() {
  const record = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(record)) return false;
  const wanted = readJson(join(root, "package-lock.json")).packages;
  const installed = readJson(record).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "" || !path.includes("node_modules/")) return true;
    const found = installed[path];
    // Packages for other platforms are optional and rightly absent.
    if (found === undefined) return entry.optional === true || entry.devOptional === true;
    return (
      found.version === entry.version && found.integrity === entry.integrity && found.link === entry.link
    );
  });
}

async function ensureDependencies() {
  if (dependenciesAreInstalled()) return;
  checkNpm();
  const [program, ...first] = npmCommand();
  // No package here needs its install script, and the build follows by itself with better messages.
  const args = [...first, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=http"];
  await runStep(
    "Installing dependencies",
    program,
    args,
    "the dependencies could not be installed (npm ci):",
  );
}

async function build() {
  const script = join(root, "tools", "build.mjs");
  await runStep("Building", process.execPath, [script], "the project could not be built:");
}

/** A Node that is new enough for Pulumi: the one among the dependencies, this one, or another one on PATH. */
function programNode() {
  const bundled = join(root, "node_modules", ".bin", "node");
  if (existsSync(bundled)) return bundled;
  if (Number(process.versions.node.split(".")[0]) >= PROGRAM_NODE) return process.execPath;
  const other = findProgram(`node${PROGRAM_NODE}`) ?? findProgram("nodejs22");
  if (other !== undefined) return other;
  throw new SetupError(
    `Node ${PROGRAM_NODE} or newer is needed on this platform (${process.platform} ${process.arch}), for which npm has ` +
      `none to install; this is ${process.versions.node}. Install it from https://nodejs.org and try again.`,
  );
}

/** Runs the program in our place: same terminal, its exit code, signals passed on. */
function handOver(node) {
  const program = join(root, "dist", "tools", "main.js");
  const env = {
    ...process.env,
    PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH ?? ""}`,
  };
  // Node reads the usual proxy variables only when it is told to.
  if (Object.keys(env).some((name) => /^https?_proxy$/i.test(name) && env[name]))
    env.NODE_USE_ENV_PROXY = "1";
  const args = ["--disable-warning=ExperimentalWarning", program, ...process.argv.slice(2)];
  const child = spawn(node, args, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`${node} could not be started: ${error.message}`);
    process.exit(1);
  });
  child.on("close", (code, signal) =>
    process.exit(code ?? (signal === "SIGINT" || signal === "SIGTERM" ? 130 : 1)),
  );
}

try {
  checkNode();
  await ensureDependencies();
  await build();
  handOver(programNode());
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
