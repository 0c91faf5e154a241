import { readFileSync } from "node:fs";
import type { HpcClusterPlan } from "../../../planning/plan.ts";

/** What a program of the benchmarks is given, as a file that HYPERLAB_BENCH_INPUT names. */
export interface ProgramInput {
  readonly plan: HpcClusterPlan;
  /** Configuration of the libvirt provider. */
  readonly provider: { uri: string; owner: string; identitySecret: string; refreshBeforeUpdate: boolean };
}

export function readInput(): ProgramInput {
  const file = process.env.HYPERLAB_BENCH_INPUT;
  if (file === undefined) throw new Error("HYPERLAB_BENCH_INPUT names no file; run this by `npm run bench`");
  return JSON.parse(readFileSync(file, "utf8"));
}
