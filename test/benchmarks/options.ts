/** Pure reading of the benchmarks' command line. */
import { parseArgs } from "node:util";

/** Groups of measures, in the order in which they run. */
export const groups = ["start", "planning", "nodes"] as const;
export type Group = (typeof groups)[number];

export interface Options {
  /** Numbers of nodes for engine and libvirt, ascending. */
  readonly nodes: readonly number[];
  readonly groups: readonly Group[];
  /**
   * From this many nodes on, `up` runs without checkpoints only: with them the engine alone needs more than ten
   * minutes for 4,000 resources.
   */
  readonly checkpointsBelow: number;
  /** Machines have addresses that the network reserves for them, as in the product. */
  readonly reservations: boolean;
  /** Write docs/benchmarks.md. */
  readonly write: boolean;
}

export const usage = `npm run bench -- [--nodes N[,N]] [--only GROUP[,GROUP]] [--all-checkpoints] [--no-reservations]
                 [--no-write]

  --nodes N[,N]      numbers of nodes for engine and libvirt (default 1000)
  --only GROUP       measure only ${groups.join(", ")}; implies --no-write
  --all-checkpoints  run "up" with checkpoints whatever the number of nodes; else only below 2000 nodes, because the
                     engine's own time with checkpoints grows with the square of the number
  --no-reservations  machines without addresses: libvirt needs long for each reservation in a running network
  --no-write         print the report and leave docs/benchmarks.md as it is
`;

/** @throws Error that says what is wrong and shows the usage. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: "string", default: "1000" },
      only: { type: "string" },
      "all-checkpoints": { type: "boolean", default: false },
      "no-reservations": { type: "boolean", default: false },
      "no-write": { type: "boolean", default: false },
    },
  });
  return {
    nodes: values.nodes
      .split(",")
      .map(numberOfNodes)
      .sort((left, right) => left - right),
    groups: values.only === undefined ? groups : values.only.split(",").map(group),
    checkpointsBelow: values["all-checkpoints"] ? Number.POSITIVE_INFINITY : 2_000,
    reservations: !values["no-reservations"],
    write: values.only === undefined && !values["no-write"],
  };
}

function numberOfNodes(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 10_000) return number;
  throw new Error(`--nodes takes whole numbers from 1 to 10000, not "${text}"\n\n${usage}`);
}

function group(text: string): Group {
  const known = groups.find((name) => name === text);
  if (known !== undefined) return known;
  throw new Error(`there is no group of measures "${text}"\n\n${usage}`);
}
