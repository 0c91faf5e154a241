import { expandHostlist } from "../../planning/slurm/hostlist.ts";

/** Reasons of drains that hyperlab's programs make and take back by themselves (docs/guest-contract.md). */
export const PROGRAM_PREFIX = "hyperlab:";
/** Reasons of `hyperlab drain`: a person's decision, which no program takes back. */
export const HAND_PREFIX = "hyperlab drain:";

/** Who keeps jobs off a node: a program of hyperlab, a person with `hyperlab drain`, or somebody past hyperlab. */
export type DrainOwner = "hyperlab" | "by-hand" | "other";

/** A node as SLURM has it. */
export interface SlurmNode {
  readonly name: string;
  /** Base state and flags, for example `["IDLE", "DRAIN"]`. */
  readonly state: readonly string[];
  readonly reason: string;
  /** Account that set the reason. */
  readonly setBy: string;
}

/** A job that holds nodes. */
export interface SlurmJob {
  readonly id: string;
  readonly user: string;
  readonly state: string;
  /** Start and time limit, as ISO 8601; undefined where it has no time limit. */
  readonly latestEnd: string | undefined;
  readonly nodes: readonly string[];
}

/** A node that takes no jobs, and the jobs that still run there. */
export interface DrainedNode {
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  readonly owner: DrainOwner;
  readonly setBy: string;
  readonly jobs: readonly Omit<SlurmJob, "nodes">[];
}

/** Reads `scontrol --oneliner show nodes`. */
export function parseNodes(text: string): SlurmNode[] {
  return text.split("\n").flatMap((line) => {
    const name = /^NodeName=(\S+)/.exec(line)?.[1];
    const state = / State=(\S+)/.exec(line)?.[1];
    if (name === undefined || state === undefined) return [];
    const [, reason = "", setBy = ""] = / Reason=(.*?) \[([^@\]]*)@[^\]]*\]/.exec(line) ?? [];
    // `*` and the like are marks of the base state: not responding, powering.
    return [{ name, state: state.split("+").map((word) => word.replace(/[^A-Z_]/g, "")), reason, setBy }];
  });
}

/** What {@link parseJobs} reads, for squeue's `--format`. Times are seconds since 1970 (SLURM_TIME_FORMAT). */
export const JOB_FORMAT = "%A|%u|%T|%e|%l|%N";

/** Reads squeue's lines in {@link JOB_FORMAT}. */
export function parseJobs(text: string): SlurmJob[] {
  return text.split("\n").flatMap((line) => {
    const [id, user, state, end, limit, nodes] = line.trim().split("|");
    if (!id || !user || !state || nodes === undefined) return [];
    const endless = limit === "UNLIMITED" || !/^\d+$/.test(end ?? "");
    const latestEnd = endless ? undefined : new Date(Number(end) * 1000).toISOString();
    return [{ id, user, state, latestEnd, nodes: expandHostlist(nodes) ?? [] }];
  });
}

/** Whose decision a reason is. */
export function ownerOf(reason: string): DrainOwner {
  if (reason.startsWith(PROGRAM_PREFIX)) return "hyperlab";
  return reason.startsWith(HAND_PREFIX) ? "by-hand" : "other";
}

const isDrained = (node: SlurmNode): boolean =>
  node.state.some((word) => word === "DRAIN" || word === "DRAINED" || word === "DRAINING");
/** Takes no jobs and has a reason for it. */
const isClosed = (node: SlurmNode): boolean =>
  isDrained(node) || (node.reason !== "" && node.state.some((word) => word === "DOWN" || word === "FAIL"));

/** Nodes that take no jobs, ordered by name. */
export function drainedNodes(nodes: readonly SlurmNode[], jobs: readonly SlurmJob[]): DrainedNode[] {
  return nodes
    .filter(isClosed)
    .map((node) => ({
      name: node.name,
      state: node.state.join("+"),
      reason: node.reason,
      owner: ownerOf(node.reason),
      setBy: node.setBy,
      jobs: jobs
        .filter((job) => job.nodes.includes(node.name))
        .sort((a, b) => Number(a.id) - Number(b.id))
        .map(({ nodes: _nodes, ...job }) => job),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** What is done to which nodes; `left` are those that stay as they are, with why. */
export interface DrainPlan {
  readonly change: readonly string[];
  readonly left: readonly { readonly name: string; readonly why: string; readonly refused: boolean }[];
}

/** Which drains are taken back: the named ones, or all, as far as they are ours. */
export function planCancel(nodes: readonly SlurmNode[], names: readonly string[]): DrainPlan {
  const asked = names.length > 0 ? names : nodes.filter(isDrained).map((node) => node.name);
  return plan(nodes, asked, (node) => {
    if (isDrained(node) && ownerOf(node.reason) !== "other") return undefined;
    if (!isClosed(node)) return { why: "is not drained", refused: false };
    return { why: `${heldBy(node)}; hyperlab leaves it alone`, refused: names.length > 0 };
  });
}

/** Which nodes are drained by hand: those that nobody keeps from jobs. */
export function planDrain(nodes: readonly SlurmNode[], names: readonly string[]): DrainPlan {
  return plan(nodes, names, (node) =>
    isClosed(node) ? { why: `${heldBy(node)}; its reason is kept`, refused: false } : undefined,
  );
}

function heldBy(node: SlurmNode): string {
  const how = isDrained(node) ? "drained" : node.state.join("+");
  return `is ${how} by ${node.setBy || "somebody else"}${node.reason === "" ? "" : `: "${node.reason}"`}`;
}

function plan(
  nodes: readonly SlurmNode[],
  names: readonly string[],
  keep: (node: SlurmNode) => { why: string; refused: boolean } | undefined,
): DrainPlan {
  const known = new Map(nodes.map((node) => [node.name, node]));
  const unknown = { why: `is no compute node; there are: ${[...known.keys()].join(", ")}`, refused: true };
  const judged = [...new Set(names)].map((name) => {
    const node = known.get(name);
    return { name, kept: node === undefined ? unknown : keep(node) };
  });
  return {
    change: judged.filter(({ kept }) => kept === undefined).map(({ name }) => name),
    left: judged.flatMap(({ kept, name }) => (kept === undefined ? [] : [{ name, ...kept }])),
  };
}

/** Reason of a drain by hand; one line, without characters that scontrol would take apart. */
export function handReason(text: string): string {
  const plain = text
    .replace(/[^\p{L}\p{N}\p{P}\p{S} ]|["'\\]/gu, " ")
    .replace(/ +/g, " ")
    .trim();
  return `${HAND_PREFIX} ${plain === "" ? "by hand" : plain}`.slice(0, 200);
}
