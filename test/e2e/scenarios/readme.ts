/** The commands of README.md, run as they stand there on a cluster with two idle nodes. */
import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { ADMINISTRATOR } from "../support/cluster-file.ts";
import { readmeCommands } from "../support/readme.ts";

/** What the steps share. */
interface Scene {
  readonly cluster: ClusterUnderTest;
  /** Number that stands for JOB. */
  job: string;
}

/** Runs the command, with the names of this lab, and gives its output. */
type Run = (input?: string) => Promise<string>;
type Step = (run: Run, scene: Scene) => Promise<void>;

/** What each command needs before it and must show. The unit test of README.md knows from here what is run. */
export const README_STEPS: Readonly<Record<string, Step>> = {
  "npm run up": async (run) => expect(await run()).toContain("Nothing changes."),
  "npm run ssh": async (run) => expect(await run("hostname\nexit\n")).toContain("e2e-controller"),
  "npm run ssh -- sinfo": async (run) => expect(await run()).toMatch(/^main\* .* e2e-compute-/m),
  'npm run ssh -- sbatch -N2 --wrap "srun hostname"': async (run, scene) => {
    scene.job = /^Submitted batch job (\d+)$/m.exec(await run())?.[1] ?? "";
    expect(scene.job).not.toBe("");
  },
  "npm run ssh -- squeue": async (run) => expect(await run()).toContain("JOBID"),
  "npm run ssh -- cat slurm-JOB.out": async (run, { cluster, job }) => {
    await cluster.slurm.ended(job, "COMPLETED");
    // Beside it stands what npm and the build say of themselves.
    const hosts = (await run()).split("\n").filter((line) => line.startsWith(`${cluster.lab.name}-`));
    expect(hosts.sort()).toEqual([cluster.first, cluster.second]);
  },
  "npm run ssh -- sacct": async (run, { job }) => {
    expect(await run()).toMatch(new RegExp(`^${job} .* COMPLETED `, "m"));
  },
  "npm run ssh -- --node dev-compute-01 uptime": async (run) => expect(await run()).toContain("load average"),
  "npm run ssh -- scancel JOB": async (run, scene) => {
    scene.job = await scene.cluster.slurm.submit("-N1 --wrap 'sleep 600'");
    await scene.cluster.slurm.running(scene.job);
    await run();
    await scene.cluster.slurm.ended(scene.job, "CANCELLED");
  },
  "npm run preview": async (run) => expect(await run()).toContain("Nothing changes."),
  "npm run ssh -- sinfo -R": async (run, { cluster: { administrator, first } }) => {
    await administrator.shell(`sudo scontrol update nodename=${first} state=drain reason=readme`);
    expect(await run()).toMatch(new RegExp(`^readme .*${first}$`, "m"));
  },
  "npm run ssh -- sudo scontrol update nodename=dev-compute-01 state=resume": async (
    run,
    { cluster: { first, slurm } },
  ) => {
    await run();
    await slurm.idle(first);
  },
  "npm run ssh -- sudo journalctl -u slurmctld -n 20": async (run) =>
    expect(await run()).toContain("slurmctld"),
  "npm run ssh -- --node dev-compute-01 sudo journalctl -u slurmd -n 20": async (run) =>
    expect(await run()).toContain("slurmd"),
  "pulumi up --stack dev": async (_, { cluster }) => {
    const said = await cluster.lab.pulumi("up", "--yes");
    expect(said).toMatch(/\d+ unchanged/);
    expect(said).not.toMatch(/\d+ (created|updated|deleted|replaced)/);
  },
};

/** The command for this lab, whose first user is no administrator: he may not use sudo, nor log in to a node. */
function adapted(command: string, { cluster, job }: Scene): string {
  const here = command.replaceAll("dev-", `${cluster.lab.name}-`).replace("JOB", job);
  return / sudo | --node /.test(here) ? here.replace(" -- ", ` -- --user ${ADMINISTRATOR} `) : here;
}

/** One test per command that README.md has and this file runs, in the order of the page. */
export function readmeScenarios(cluster: ClusterUnderTest): void {
  describe("README: the first ten minutes", () => {
    const scene: Scene = { cluster, job: "" };
    const commands = new Set(readmeCommands().map(({ command }) => command));
    const steps = [...commands].flatMap((command) => {
      const step = README_STEPS[command];
      return step === undefined ? [] : [{ command, step }];
    });
    it.each(steps)("$command", ({ command, step }) =>
      step((input) => cluster.lab.commandLine(adapted(command, scene), input), scene),
    );
  });
}
