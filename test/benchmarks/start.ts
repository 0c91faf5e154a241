/** How long a program and a provider take to be there. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "../../tools/paths.ts";
import { FakeEngine } from "../support/fake-engine.ts";
import { startMonitor } from "./monitor.ts";
import { peakOf, processorSecondsOf } from "./processes.ts";
import { figureOf, figureText, type Section } from "./report.ts";

const root = projectRoot();
const repetitions = 7;
const deadlineMs = 60_000;

/** The smallest program that Pulumi accepts as one with a resource. */
const smallest = `import * as pulumi from "@pulumi/pulumi";
new pulumi.ComponentResource("bench:index:Nothing", "nothing");
`;

/** Measures the start of the lab's program and of the provider. `env` is that of a run of the engine. */
export async function measureStarts(env: NodeJS.ProcessEnv): Promise<Section> {
  const folder = await mkdtemp(join(tmpdir(), "hyperlab-bench-"));
  try {
    await writeFile(join(folder, "package.json"), '{"name": "smallest", "type": "module"}');
    await writeFile(join(folder, "index.js"), smallest);
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    const starts = { ours: [] as Start[], floor: [] as Start[], provider: [] as Start[] };
    // Once more than counted: the first fills the caches. In turn, so that what else runs here meets all alike.
    for (let round = 0; round <= repetitions; round++) {
      const ours = await programStart(root, "dist/lab.js", env);
      const floor = await programStart(folder, "index.js", env);
      const provider = await providerStart(env);
      if (round === 0) continue;
      starts.ours.push(ours);
      starts.floor.push(floor);
      starts.provider.push(provider);
    }
    return section(starts.ours, starts.floor, starts.provider);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function section(ours: readonly Start[], floor: readonly Start[], provider: readonly Start[]): Section {
  const times = (label: string, starts: readonly Start[]) =>
    figureOf(
      label,
      "s",
      starts.map((start) => start.seconds),
    );
  const cpu = (starts: readonly Start[]) =>
    figureText(
      figureOf(
        "",
        "s",
        starts.map((start) => start.cpuSeconds),
      ),
    );
  const peaks = provider.map((start) => start.peakMB);
  return {
    title: "Start",
    measures: [
      {
        what: "program, from `node` to the first registration",
        budget: { amount: 0.8 },
        ours: times("", ours),
        floors: [times("program with one empty component", floor)],
        note: `processor time ${cpu(ours)}; with one empty component ${cpu(floor)}`,
        obstacle: "most of it is Node and Pulumi's SDK, which the empty component needs as well",
      },
      {
        what: "provider, from its launch to the line with its port",
        budget: { amount: 0.2 },
        ours: times("", provider),
        note: `processor time ${cpu(provider)}`,
        obstacle: "what is not processor time is other work of the machine",
      },
      {
        what: "provider, peak memory at its start",
        budget: { amount: 80 },
        ours: figureOf("", "MB", peaks),
      },
    ],
  };
}

/** What a start took. */
interface Start {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMB: number;
}

/** Until the program in a folder registers its first resource; run as the language host runs it. */
async function programStart(folder: string, program: string, env: NodeJS.ProcessEnv): Promise<Start> {
  const monitor = await startMonitor();
  const start = performance.now();
  const child = spawn(
    "node",
    [
      join(root, "node_modules/@pulumi/pulumi/cmd/run"),
      ...["--monitor", monitor.address, "--engine", monitor.address],
      ...["--project", "hyperlab", "--stack", "dev", "--organization", "organization"],
      ...["--root-directory", folder, "--pwd", folder, "--dry-run=true", "--parallel", "16", program],
    ],
    {
      cwd: folder,
      env: {
        ...env,
        PULUMI_NODEJS_TYPESCRIPT: "false",
        PULUMI_CONFIG: JSON.stringify({ "hyperlab:file": "examples/dev.yaml" }),
        PULUMI_CONFIG_SECRET_KEYS: "[]",
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  try {
    await withDeadline(child, monitor.firstRegistration, "the program's first registration");
    return measured(child, start);
  } finally {
    await end(child);
    monitor.stop();
  }
}

async function providerStart(env: NodeJS.ProcessEnv): Promise<Start> {
  const engine = await FakeEngine.start();
  const start = performance.now();
  const launcher = join(root, "providers", "libvirt", "pulumi-resource-libvirt");
  const child = spawn(launcher, [engine.address], { env, stdio: ["pipe", "pipe", "pipe"] });
  try {
    const line = child.stdout === null ? Promise.reject() : once(child.stdout, "data").then(() => {});
    await withDeadline(child, line, "the provider's line with its port");
    return measured(child, start);
  } finally {
    await end(child);
    engine.stop();
  }
}

function measured(child: ChildProcess, start: number): Start {
  const seconds = (performance.now() - start) / 1000;
  const pid = child.pid ?? 0;
  return { seconds, cpuSeconds: processorSecondsOf(pid), peakMB: peakOf(pid) };
}

/** Waits for something that a child does; its death and the deadline are errors with what it said. */
async function withDeadline(child: ChildProcess, event: Promise<void>, what: string): Promise<void> {
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
  }
  let timer: NodeJS.Timeout | undefined;
  const failure = new Promise<never>((_, reject) => {
    const fail = (why: string) => reject(new Error(`${what} did not come: ${why}\n${said.slice(-2_000)}`));
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`the process ended with ${code}`));
    timer = setTimeout(() => fail(`nothing in ${deadlineMs / 1000} s`), deadlineMs);
  });
  try {
    await Promise.race([event, failure]);
  } finally {
    clearTimeout(timer);
    // It is ended on purpose from here on.
    failure.catch(() => {});
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
