import { defineConfig } from "vitest/config";

const setUp = (...names: string[]): string[] => names.map((name) => `test/set-up/${name}.ts`);

interface Level {
  /** For one test and for one hook: they may take ten times as long where others work on the machine. */
  timeoutSeconds: number;
  /** Files one after the other: they share the machine's libvirt. */
  serial: boolean;
  /** What is obtained before the first test; quick where it is there. */
  globalSetup: string[];
}

const level = (name: string, { globalSetup, serial, timeoutSeconds }: Level) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutSeconds * 1000,
    hookTimeout: timeoutSeconds * 1000,
    fileParallelism: !serial,
    sequence: { groupOrder: serial ? 1 : 0 },
    globalSetup,
  },
});

/** Levels of tests, cheap to dear; `npm test` runs all but e2e (docs/architecture.md, Tests). */
export default defineConfig({
  test: {
    projects: [
      level("unit", { timeoutSeconds: 300, serial: false, globalSetup: setUp("sdks") }),
      level("component", { timeoutSeconds: 300, serial: false, globalSetup: setUp("sdks") }),
      level("provider", {
        timeoutSeconds: 300,
        serial: true,
        globalSetup: setUp("sdks", "hypervisor"),
      }),
      level("engine", {
        timeoutSeconds: 900,
        serial: true,
        globalSetup: setUp("plugins", "hypervisor", "engine"),
      }),
      level("e2e", {
        timeoutSeconds: 3600,
        serial: true,
        globalSetup: setUp("plugins", "hypervisor", "engine"),
      }),
    ],
  },
});
