/** Pure reading of the campaign's command line. */
import { parseArgs } from "node:util";

export interface Options {
  /** Decides about all points. */
  readonly seed: number;
  /** How many points. */
  readonly count: number;
  /** Numbers of the points to run; all where there are none. */
  readonly only: readonly number[];
  /** Write docs/reliability.md. */
  readonly write: boolean;
}

export const usage = `npm run test:faults -- [--seed N] [--count N] [--only K[,K]] [--no-write]

  --seed N    decides about all points (default 1)
  --count N   number of points (default 100); each phase meets each fault once before one comes again
  --only K    run only these points of the seed and leave docs/reliability.md as it is
  --no-write  leave docs/reliability.md as it is
`;

/** @throws Error that says what is wrong and shows the usage. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string", default: "1" },
      count: { type: "string", default: "100" },
      only: { type: "string" },
      "no-write": { type: "boolean", default: false },
    },
  });
  const only = (values.only ?? "")
    .split(",")
    .filter((text) => text !== "")
    .map((text) => whole("--only", text, 1));
  return {
    seed: whole("--seed", values.seed, 0),
    count: Math.max(whole("--count", values.count, 1), ...only),
    only,
    write: !values["no-write"] && only.length === 0,
  };
}

function whole(name: string, text: string, least: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number < 2 ** 31) return number;
  throw new Error(`${name} takes whole numbers from ${least}, not "${text}"\n\n${usage}`);
}
