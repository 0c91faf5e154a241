import {
  type DrainedNode,
  type DrainPlan,
  drainedNodes,
  handReason,
  JOB_FORMAT,
  parseJobs,
  parseNodes,
  planCancel,
  planDrain,
  type SlurmNode,
} from "../drain/nodes.ts";
import { shellWord } from "../process/shell-word.ts";
import type { Reporter } from "../report/progress.ts";
import { textTable } from "../report/table.ts";
import { type ControllerShell, controllerShell, sshClient } from "../ssh/controller.ts";
import type { Context } from "./context.ts";

/** What `hyperlab drain` is asked for. */
export interface DrainRequest {
  readonly names: readonly string[];
  readonly cancel: boolean;
  readonly reason: string;
  readonly json: boolean;
  /** Account on the controller; it needs sudo for changes. */
  readonly user: string | undefined;
}

/** Shows drained nodes, drains nodes by hand, or takes drains of hyperlab back. Returns the exit code. */
export async function drain(context: Context, request: DrainRequest): Promise<number> {
  const shell = controllerShell(await sshClient(context), request.user);
  return drainBy(shell, request, context.report);
}

/** The same through a given shell on the controller. */
export async function drainBy(
  shell: ControllerShell,
  request: DrainRequest,
  report: Reporter,
): Promise<number> {
  const nodes = parseNodes(await shell("scontrol --oneliner show nodes"));
  if (!request.cancel && request.names.length === 0) {
    showDrained(await withJobs(shell, nodes), request.json, report);
    return 0;
  }
  const plan = request.cancel ? planCancel(nodes, request.names) : planDrain(nodes, request.names);
  // All or nothing: what was meant is not clear where one of the names is wrong or somebody else's.
  const refused = plan.left.some((each) => each.refused);
  if (!refused && plan.change.length > 0) await shell(changeCommand(plan.change, request));
  showOutcome(plan, refused, request, report);
  return refused ? 1 : 0;
}

function changeCommand(names: readonly string[], request: DrainRequest): string {
  const change = request.cancel ? ["state=resume"] : ["state=drain", `reason=${handReason(request.reason)}`];
  return ["sudo", "-n", "scontrol", "update", `nodename=${names.join(",")}`, ...change]
    .map(shellWord)
    .join(" ");
}

async function withJobs(shell: ControllerShell, nodes: readonly SlurmNode[]): Promise<DrainedNode[]> {
  const names = drainedNodes(nodes, []).map((node) => node.name);
  if (names.length === 0) return [];
  const list = `--nodelist=${names.join(",")}`;
  const states = "--states=RUNNING,SUSPENDED,STOPPED,CONFIGURING,COMPLETING";
  const command = `SLURM_TIME_FORMAT=%s squeue --noheader ${list} ${states} ${shellWord(`--format=${JOB_FORMAT}`)}`;
  return drainedNodes(nodes, parseJobs(await shell(command)));
}

const OWNERS = { hyperlab: "hyperlab", "by-hand": "by hand", other: "somebody else" } as const;

function showDrained(nodes: readonly DrainedNode[], json: boolean, report: Reporter): void {
  if (json) {
    report.line(JSON.stringify({ nodes: nodes.map(withOpenEnds) }, null, 2));
    return;
  }
  if (nodes.length === 0) {
    report.line("No node is drained.");
    return;
  }
  const rows = nodes.flatMap((node) => {
    const head = [node.name, node.state, OWNERS[node.owner]];
    return (node.jobs.length === 0 ? [""] : node.jobs.map(jobText)).map((job, index) =>
      index === 0 ? [...head, job, node.reason] : ["", "", "", job, ""],
    );
  });
  for (const line of textTable(["node", "state", "drained by", "jobs until at the latest", "reason"], rows)) {
    report.line(line);
  }
}

/** An open end is null: a field that is missing tells nothing. */
const withOpenEnds = (node: DrainedNode) => ({
  ...node,
  jobs: node.jobs.map((job) => ({ ...job, latestEnd: job.latestEnd ?? null })),
});

function jobText(job: DrainedNode["jobs"][number]): string {
  const end =
    job.latestEnd === undefined ? "UNLIMITED" : `${job.latestEnd.slice(0, 16).replace("T", " ")} UTC`;
  return `${job.id} of ${job.user}: ${end}`;
}

function showOutcome(plan: DrainPlan, refused: boolean, request: DrainRequest, report: Reporter): void {
  if (request.json) {
    report.line(JSON.stringify({ changed: refused ? [] : plan.change, left: plan.left }, null, 2));
    return;
  }
  const done = request.cancel ? "serves again" : "is drained: running jobs go on, new ones go elsewhere";
  for (const { name, refused: wrong, why } of plan.left) {
    report.line(report.colour(wrong ? "red" : "yellow", `${name} ${why}`));
  }
  if (refused) report.line("Nothing was changed.");
  else for (const name of plan.change) report.line(`${name} ${done}`);
  if (plan.change.length === 0 && plan.left.length === 0) report.line("No node is drained.");
}
