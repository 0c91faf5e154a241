import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const setUp = (...names: string[]): string[] => names.map((name) => `test/set-up/${name}.ts`);

/** Most tests wait for other programs, so the processors are busy only with one file more than there are of them. */
const FILES_AT_ONCE = availableParallelism() + 1;

/** All of them: the lab lasts much longer than the rest, and often waits. */
const MACHINE_FILES = 3;

interface Level {
  /** Where its tests are; without it the folder of its name. */
  include?: string[];
  /** For one test and for one hook: they may take ten times as long where others work on the machine. */
  timeoutSeconds: number;
  /** How many files run at once. They share nothing: a file that needs libvirt starts its own, and one has the machine's. */
  filesAtOnce?: number;
  /** What is obtained before the first test; quick where it is there. */
  globalSetup: string[];
}

const level = (
  name: string,
  { filesAtOnce = FILES_AT_ONCE, globalSetup, include, timeoutSeconds }: Level,
) => ({
  test: {
    name,
    include: include ?? [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutSeconds * 1000,
    hookTimeout: timeoutSeconds * 1000,
    maxWorkers: filesAtOnce,
    // Levels that differ in this cannot run at the same time.
    sequence: { groupOrder: filesAtOnce },
    globalSetup,
  },
});

/** Levels of tests, cheap to dear; `npm test` runs all but those with machines (docs/architecture.md, Tests). */
export default defineConfig({
  test: {
    projects: [
      level("unit", { timeoutSeconds: 300, globalSetup: setUp("sdks") }),
      level("component", { timeoutSeconds: 300, globalSetup: setUp("sdks") }),
      level("provider", { timeoutSeconds: 300, globalSetup: setUp("sdks", "hypervisor") }),
      level("engine", { timeoutSeconds: 900, globalSetup: setUp("plugins", "hypervisor", "engine") }),
      level("image", {
        include: ["test/e2e/*image.test.ts"],
        timeoutSeconds: 3600,
        filesAtOnce: MACHINE_FILES,
        globalSetup: setUp("plugins", "hypervisor", "engine"),
      }),
      level("e2e", {
        include: ["test/e2e/slurm-cluster.test.ts"],
        timeoutSeconds: 3600,
        filesAtOnce: MACHINE_FILES,
        globalSetup: setUp("plugins", "hypervisor", "engine"),
      }),
    ],
  },
});
