import { defineConfig } from "vitest/config";

/** Levels of tests, cheap to dear; `npm test` runs all but e2e (docs/architecture.md, Tests). */
const level = (name: string, timeoutSeconds: number, serial: boolean) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: timeoutSeconds * 1000,
    hookTimeout: timeoutSeconds * 1000,
    fileParallelism: !serial,
    sequence: { groupOrder: serial ? 1 : 0 },
  },
});

export default defineConfig({
  test: {
    projects: [
      level("unit", 30, false),
      level("component", 60, false),
      level("provider", 120, true),
      level("engine", 900, true),
      level("e2e", 3600, true),
    ],
  },
});
