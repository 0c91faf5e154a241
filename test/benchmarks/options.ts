/** Pure reading of the benchmarks' command line. */
import { parseArgs } from "node:util";

/** What is measured, in the order in which it runs. Those of `sized` are measured for each number of nodes. */
export const kinds = ["start", "planning", "addresses", "up", "unchanged"] as const;
export type Kind = (typeof kinds)[number];

const sized: readonly Kind[] = ["up", "unchanged"];

/**
 * From this many nodes on, `up` runs without checkpoints unless asked for: the engine alone needs more than ten minutes
 * for 4,000 of them.
 */
export const largeCluster = 2_000;

/** Machines with addresses: libvirt alone needs up to a second for each, however many there are. */
const addressNodes = 100;

/** One part of the page, measured and kept as a whole. */
export interface Task {
  readonly id: string;
  readonly kind: Kind;
  /** 0 where it does not take a cluster. */
  readonly nodes: number;
}

export interface Options {
  /** Tasks to measure, in order. */
  readonly measure: readonly Task[];
  /** Tasks whose results make the page, in order; measured now or before. */
  readonly page: readonly Task[];
  /** Results that a former run left are taken as they are. */
  readonly continue: boolean;
  /** `up` of large clusters runs with checkpoints, too. */
  readonly allCheckpoints: boolean;
  /** Write docs/benchmarks.md. */
  readonly write: boolean;
}

export const usage = `npm run bench -- [--nodes N[,N]] [--only KIND[,KIND]] [--continue] [--all-checkpoints] [--no-write]

  --nodes N[,N]      numbers of nodes for engine and libvirt (default 1000,4000)
  --only KIND        measure only ${kinds.join(", ")}; the rest of the page is what was measured before
  --continue         measure only what no former run has measured
  --all-checkpoints  run "up" with checkpoints also from ${largeCluster} nodes on; the engine's own time with
                     checkpoints grows with the square of the number
  --no-write         print the page and leave docs/benchmarks.md as it is
`;

/** @throws Error that says what is wrong and shows the usage. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: "string", default: "1000,4000" },
      only: { type: "string" },
      continue: { type: "boolean", default: false },
      "all-checkpoints": { type: "boolean", default: false },
      "no-write": { type: "boolean", default: false },
    },
  });
  const nodes = values.nodes
    .split(",")
    .map(numberOfNodes)
    .sort((left, right) => left - right);
  const chosen = values.only === undefined ? kinds : values.only.split(",").map(kindOf);
  const page = tasksFor(nodes);
  return {
    measure: page.filter((task) => chosen.includes(task.kind)),
    page,
    continue: values.continue,
    allCheckpoints: values["all-checkpoints"],
    write: !values["no-write"],
  };
}

function tasksFor(nodes: readonly number[]): Task[] {
  const once = kinds
    .filter((kind) => !sized.includes(kind))
    .map((kind) => ({ id: kind, kind, nodes: kind === "addresses" ? addressNodes : 0 }));
  const each = nodes.flatMap((count) =>
    sized.map((kind) => ({ id: `${kind}-${count}`, kind, nodes: count })),
  );
  return [...once, ...each];
}

function numberOfNodes(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 10_000) return number;
  throw new Error(`--nodes takes whole numbers from 1 to 10000, not "${text}"\n\n${usage}`);
}

function kindOf(text: string): Kind {
  const known = kinds.find((name) => name === text);
  if (known !== undefined) return known;
  throw new Error(`nothing is called "${text}"\n\n${usage}`);
}
