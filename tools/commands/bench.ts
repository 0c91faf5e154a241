import { runTestProgram } from "./program.ts";

/**
 * Runs the benchmarks with the engine at hand; they write docs/benchmarks.md. Stacks, state and libvirt daemon are their
 * own. Returns their exit code.
 */
export const bench = (args: readonly string[]): Promise<number> =>
  runTestProgram("benchmarks/main.ts", args, { runsTests: false });

/** Runs the fault campaign in the same way; it writes docs/reliability.md. */
export const testFaults = (args: readonly string[]): Promise<number> =>
  runTestProgram("faults/main.ts", args, { runsTests: true });
