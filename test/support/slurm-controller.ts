import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { clusterKeys } from "../../components/hpc-cluster/keys.ts";
import { imagesDirectory } from "../../images/guest.ts";
import { lintInput } from "../../planning/slurm/lint-plan.ts";
import type { ControllerProgram } from "../../tools/ssh/controller-program.ts";
import { config, planned } from "../unit/planning/lab.ts";
import { type Answer, namespaceShell } from "./namespace-shell.ts";
import { slurmTree } from "./slurm-tree.ts";

const support = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** A controller with accounting and one node, set up by the guest's program, with keys of its own. */
export interface ControllerServer {
  /** Runs a shell command among SLURM's programs; it must succeed. */
  slurm(command: string): Promise<string>;
  /** Runs a shell command beside them; `/srv/hyperlab` is the state disk. */
  host(command: string): Promise<Answer>;
  /** The guest's program, as `hyperlab` calls it by ssh. */
  readonly program: ControllerProgram;
  stop(): Promise<void>;
}

/** Starts a new one; every one has the same name and nothing else in common. */
export async function serveController(): Promise<ControllerServer> {
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-controller-"));
  for (const [name, content] of Object.entries(files())) writeFileSync(join(folder, name), content);
  const plan = cluster();
  const node = plan.computeNodes[0]?.name ?? "";
  const guest = support("guest-controller.py");
  const env = {
    PYTHONPATH: join(imagesDirectory(), "guest", "usr", "lib", "hyperlab"),
    PYTHONDONTWRITEBYTECODE: "1",
  };
  const machines = [plan.controller.name, plan.controller.address, node];
  const script = support("slurm-controller.sh");
  const { shell, started } = await namespaceShell(script, [slurmTree(), folder, guest, ...machines], env);
  const stop = async (): Promise<void> => {
    await shell.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  if (!/^\S+ .*idle/m.test(started)) {
    await stop();
    throw new Error(started);
  }
  const must = async (line: string): Promise<string> => {
    const { code, text } = await shell.ask(line);
    if (code !== 0) throw new Error(`${line} ended with ${code}: ${text}`);
    return text.trim();
  };
  async function* program(verb: string, input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const [given, printed, said] = ["given", "printed", "said"].map((name) => join(folder, name));
    if (given === undefined || printed === undefined) throw new Error("no files");
    await pipeline(Readable.from(input, { objectMode: false }), createWriteStream(given));
    const { code } = await shell.ask(`host python3 ${guest} ${verb} <${given} >${printed} 2>${said}`);
    for await (const piece of createReadStream(printed)) yield Buffer.from(piece);
    if (code !== 0) throw new Error((await shell.ask(`host cat ${said}`)).text.trim());
  }
  return {
    slurm: (command) => must(`slurm ${command}`),
    host: (command) => shell.ask(`host ${command}`),
    program,
    stop,
  };
}

const cluster = () =>
  planned(
    config({ nodes: "compute_nodes: { count: 1, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }" }),
  );

/** What a container can run of a planned cluster, with keys that no other has. */
function files(): Record<string, string> {
  const plan = cluster();
  const { slurmConf, slurmdbdConf } = lintInput(plan);
  const replaced =
    /^(ProctrackType|TaskPlugin|JobAcctGatherType|PrologFlags|SlurmdSpoolDir|SlurmdParameters|SlurmdLogFile|MailProg)=.*\n/gm;
  const keys = clusterKeys(randomBytes(32).toString("hex"), "lab", {});
  const document = {
    cluster: "lab",
    slurmdbdConf,
    home: { kind: "controller" },
    users: [{ name: "ada" }],
    controllerAddress: plan.controller.address,
  };
  return {
    "slurm.conf": `${slurmConf.replace(replaced, "").replace(/NodeAddr=\S+/, `NodeAddr=${plan.controller.address} Port=6828`)}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SlurmdSpoolDir=/var/lib/slurm/slurmd
SlurmdParameters=config_overrides
`,
    "cgroup.conf": "CgroupPlugin=disabled\n",
    "slurm.jwks": keys.slurmJwks,
    "document.json": JSON.stringify(document),
    "secrets.json": JSON.stringify(keys),
  };
}
