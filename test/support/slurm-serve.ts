import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Answer, namespaceShell } from "./namespace-shell.ts";
import { slurmJwks, slurmTree } from "./slurm-tree.ts";

/** Two nodes on one machine, without control groups: what a container can run. */
const SLURM_CONF = `ClusterName=lab
SlurmctldHost=controller(10.50.0.2)
SlurmUser=slurm
AuthType=auth/slurm
CredType=cred/slurm
StateSaveLocation=/srv/slurmctld
SlurmdSpoolDir=/var/spool/slurmd.%n
SlurmdPidFile=/run/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=1
KillWait=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
MailProg=/bin/true
NodeName=n1 NodeHostname=controller NodeAddr=10.50.0.2 Port=7101 CPUs=4 RealMemory=100
NodeName=n2 NodeHostname=controller NodeAddr=10.50.0.2 Port=7102 CPUs=4 RealMemory=100
PartitionName=main Nodes=ALL Default=YES State=UP
`;

/** A real SLURM with jobs, in namespaces of its own. */
export interface SlurmServer {
  /** Runs a shell command among SLURM's programs; it must succeed. */
  slurm(command: string): Promise<string>;
  /** Runs a shell command beside them, with SLURM's programs on the PATH. */
  host(command: string): Promise<Answer>;
  stop(): Promise<void>;
}

/** Starts slurmctld and two slurmd. */
export async function serveSlurm(): Promise<SlurmServer> {
  const tree = slurmTree();
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-slurm-"));
  writeFileSync(join(folder, "slurm.conf"), SLURM_CONF);
  writeFileSync(join(folder, "cgroup.conf"), "CgroupPlugin=disabled\n");
  writeFileSync(join(folder, "slurm.jwks"), slurmJwks());
  const script = fileURLToPath(new URL("slurm-serve.sh", import.meta.url));
  const { shell, started } = await namespaceShell(script, [tree, folder]);
  if (started.match(/idle/g)?.length !== 2) throw new Error(started);
  return {
    async slurm(command) {
      const { code, text } = await shell.ask(`slurm ${command}`);
      if (code !== 0) throw new Error(`${command} ended with ${code}: ${text}`);
      return text;
    },
    host: (command) => shell.ask(`host ${command}`),
    async stop() {
      await shell.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
