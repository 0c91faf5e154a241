import { hypervisor } from "./hypervisor.ts";
import type { LabUnderTest } from "./lab.ts";
import { eventually } from "./program.ts";

/** SLURM as one of the users sees it, by ssh to the controller. */
export class SlurmUser {
  readonly #lab: LabUnderTest;
  readonly #user: string;

  constructor(lab: LabUnderTest, user: string) {
    this.#lab = lab;
    this.#user = user;
  }

  /** Runs a shell command on the controller; it must succeed. */
  shell(command: string): Promise<string> {
    return this.#lab.ssh(command, this.#user);
  }

  /** Submits and gives the job's id. */
  async submit(options: string): Promise<string> {
    return (await this.shell(`sbatch --parsable ${options}`)).split(";")[0] ?? "";
  }

  /**
   * Submits a job that ends when it is told, however long that takes. It looks for a file of its node: one in the home
   * would be seen a minute late, and SLURM passes no signal on to a job that it recovered while its prolog ran.
   */
  submitUntilTold(options: string): Promise<string> {
    return this.submit(`${options} --wrap 'until test -e /run/told-$SLURM_JOB_ID; do sleep 1; done'`);
  }

  /** Tells a job of `submitUntilTold` to end, and waits until it has. */
  async endAsTold(job: string): Promise<void> {
    const node = await this.shell(`squeue -h -j ${job} -o %N`);
    await hypervisor.shell(node, `touch /run/told-${job}`);
    await this.ended(job, "COMPLETED");
  }

  /** Waits until accounting says that the job ended so. */
  async ended(job: string, state: string): Promise<void> {
    await eventually(
      `job ${job} ends as ${state}`,
      900,
      () => this.shell(`sacct -X -n -P -j ${job} -o State`),
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
      () => this.shell(`squeue -h -j ${job} -o %T`),
      (seen) => seen === "RUNNING",
    );
  }

  /**
   * Waits until the nodes serve and nothing runs there. Jobs are asked for, too: where one ends in the very second in
   * which SLURM counts its node's processors, the state stays `mixed` until the node reports again, minutes later.
   */
  async idle(...nodes: string[]): Promise<void> {
    const list = nodes.join(",");
    await eventually(
      `${nodes.join(", ")} idle`,
      300,
      // Jobs last: one that began between the two questions would be seen in neither.
      () => this.shell(`sinfo -hN -n ${list} -o '%N %T'; squeue -h -w ${list} -t R,S,CF,CG -o 'job %i'`),
      (seen) =>
        !/^job /m.test(seen) &&
        nodes.every((node) => new RegExp(`^${node} (idle|mixed|allocated)$`, "m").test(seen)),
    );
  }

  /** Process id and start time of a running job's script on its node. */
  async process(job: string, node: string): Promise<string> {
    await this.running(job);
    const script =
      "pid=$(pgrep -u $(id -u) -f slurm_script | head -n 1); echo $pid $(cut -d' ' -f22 /proc/$pid/stat)";
    return this.shell(
      `srun --overlap --jobid=${job} -w ${node} sh -c ${JSON.stringify(script).replaceAll("$", "\\$")}`,
    );
  }

  /** State of a node with its flags, and the reason of a drain, for example `IDLE+DRAIN repairs`. */
  async node(name: string): Promise<string> {
    const text = await this.shell(`scontrol show node ${name}`);
    const state = /State=(\S+)/.exec(text)?.[1] ?? "";
    const reason = /Reason=(.*?) \[/.exec(text)?.[1] ?? "";
    return `${state} ${reason}`.trimEnd();
  }

  /** How often the job was requeued. */
  async restarts(job: string): Promise<number> {
    const text = await this.shell(`scontrol show job ${job} | grep -o 'Restarts=[0-9]*'`);
    return Number(text.split("=")[1]);
  }
}
