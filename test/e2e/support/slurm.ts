import type { LabUnderTest } from "./lab.ts";
import { eventually } from "./program.ts";

/** SLURM as an ordinary user sees it. */
export class SlurmUser {
  readonly #lab: LabUnderTest;

  constructor(lab: LabUnderTest) {
    this.#lab = lab;
  }

  /** Submits and gives the job's id. */
  async submit(options: string): Promise<string> {
    return (await this.#lab.ssh(`sbatch --parsable ${options}`)).split(";")[0] ?? "";
  }

  /** Waits until accounting says that the job ended so. */
  async ended(job: string, state: string): Promise<void> {
    await eventually(
      `job ${job} ends as ${state}`,
      900,
      () => this.#lab.ssh(`sacct -X -n -P -j ${job} -o State`),
      (seen) => {
        if (seen.startsWith(state)) return true;
        if (seen !== "" && !/^(PENDING|RUNNING|COMPLETING)/.test(seen)) {
          throw new Error(`job ${job} ended as ${seen}, not as ${state}`);
        }
        return false;
      },
    );
  }

  async running(job: string): Promise<void> {
    await eventually(
      `job ${job} runs`,
      300,
      () => this.#lab.ssh(`squeue -h -j ${job} -o %T`),
      (seen) => seen === "RUNNING",
    );
  }

  /** Waits until the nodes are idle. */
  async idle(...nodes: string[]): Promise<void> {
    await eventually(
      `${nodes.join(", ")} idle`,
      300,
      () => this.#lab.ssh(`sinfo -hN -n ${nodes.join(",")} -o '%N %T'`),
      (seen) => nodes.every((node) => seen.split("\n").includes(`${node} idle`)),
    );
  }

  /** Process id and start time of a running job's script on its node. */
  async process(job: string, node: string): Promise<string> {
    await this.running(job);
    const script =
      "pid=$(pgrep -u $(id -u) -f slurm_script | head -n 1); echo $pid $(cut -d' ' -f22 /proc/$pid/stat)";
    return this.#lab.ssh(
      `srun --overlap --jobid=${job} -w ${node} sh -c ${JSON.stringify(script).replaceAll("$", "\\$")}`,
    );
  }

  /** How often the job was requeued. */
  async restarts(job: string): Promise<number> {
    const text = await this.#lab.ssh(`scontrol show job ${job} | grep -o 'Restarts=[0-9]*'`);
    return Number(text.split("=")[1]);
  }
}
