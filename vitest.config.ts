import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const setUp = (...names: string[]): string[] => names.map((name) => `test/set-up/${name}.ts`);

/** Most tests wait for other programs, so one file for each processor keeps the machine busy also where it has few. */
const FILES_AT_ONCE = Math.max(2, availableParallelism());

interface Level {
  /** Where its tests are; without it the folder of its name. */
  include?: string[];
  /** For one test and for one hook: they may take ten times as long where others work on the machine. */
  timeoutSeconds: number;
  /** Files one after the other and after all others, for they use the machine's libvirt. Elsewhere each file starts its own. */
  serial?: boolean;
  /** What is obtained before the first test; quick where it is there. */
  globalSetup: string[];
}

const level = (name: string, { globalSetup, include, serial = false, timeoutSeconds }: Level) => ({
  test: {
    name,
    include: include ?? [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutSeconds * 1000,
    hookTimeout: timeoutSeconds * 1000,
    fileParallelism: !serial,
    ...(serial ? {} : { maxWorkers: FILES_AT_ONCE }),
    sequence: { groupOrder: serial ? 1 : 0 },
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
        globalSetup: setUp("plugins", "hypervisor", "engine"),
      }),
      level("e2e", {
        include: ["test/e2e/slurm-cluster.test.ts"],
        timeoutSeconds: 3600,
        serial: true,
        globalSetup: setUp("plugins", "hypervisor", "engine"),
      }),
    ],
  },
});
