/** Pure: from results to docs/reliability.md. */
import { type Fault, faults, type Phase, type Point, phases } from "./plan.ts";

export interface Result {
  readonly point: Point;
  /** What is not as without the fault. */
  readonly problems: readonly string[];
}

export interface Report {
  readonly seed: number;
  /** Points of the plan; less were run where the campaign was interrupted. */
  readonly planned: number;
  readonly results: readonly Result[];
}

const failed = ({ problems }: Result): boolean => problems.length > 0;

/** The line that says how it went, alone on its line. */
export function closingLine(results: readonly Result[]): string {
  const wrong = results.filter(failed).length;
  return `${results.length - wrong} passed, ${wrong} failed`;
}

/** The page. */
export function renderReport({ seed, planned, results }: Report): string {
  const wrong = results.filter(failed);
  const lines = [
    "# Reliability",
    "",
    "`npm run test:faults` runs this campaign and writes this page. A lab of machines, volumes and a network goes through its life cycle on a",
    "libvirtd of its own, over ssh, with the real engine. In each phase one fault comes at a moment that the seed draws from the calls of a",
    "run without faults: when the host is asked for something, when it has done it and nobody knows, or in the middle of an upload. Its",
    "cause is gone when the run has ended. Then the command runs once more, as `npm run up` or `npm run down` do.",
    "",
    "A point passes where, after that run,",
    "",
    "- definitions, disks, contents of volumes, files, network devices, firewall rules and the recorded state are those of the life cycle",
    "  without a fault;",
    "- nothing is left over: no volume, file, lock, pending operation or process.",
    "  Only libvirtd's own folder for a guest that it was starting when it was killed stays; the next libvirtd does not know of it;",
    "- no guest was switched off hard, by libvirt's own log of the guest. A guest that had not run yet, or had gone off by itself, when",
    "  libvirtd was killed is none: the next libvirtd ends what is there of it;",
    "- machines that the phase does not touch run on as they did before.",
    "",
    "| phase | what it does |",
    "|-|-|",
    "| create | pool, network, three volumes, three machines |",
    "| scale | one machine more, another one less |",
    "| rebuild | one machine gets a new root disk from another image |",
    "| resize | memory, root disk and data volume of a machine grow; it restarts |",
    "| destroy | everything is removed |",
    "",
    "| fault | what happens |",
    "|-|-|",
    "| kill engine | SIGKILL for the engine; the provider is left alone with its calls |",
    "| kill provider | SIGKILL for the provider's plugin |",
    "| restart libvirtd | SIGKILL for libvirtd, which is started again |",
    "| cut ssh | every ssh session to the host ends; what was under way in it is lost |",
    "| fill disk | the pool's file system is full until the run has ended |",
    "| pause guest | a machine that starts or stops is paused, for several looks at it or until the run has ended |",
    "",
    `Seed ${seed}, ${amount(results.length, planned)}: ${closingLine(results)}. Passed of all, by phase and fault:`,
    "",
    `| | ${phases.join(" | ")} |`,
    `|-|${phases.map(() => "-|").join("")}`,
    ...faults.map(
      (fault) => `| ${fault} | ${phases.map((phase) => cell(results, phase, fault)).join(" | ")} |`,
    ),
    "",
    ...(wrong.length === 0
      ? []
      : [
          `Failed: ${wrong.map(({ point }) => point.number).join(", ")}. \`npm run test:faults -- --seed ${seed} --only K\` repeats point K.`,
          "",
        ]),
    "The first six points of seed 1, one of each fault, run in `npm test` (`test/engine/faults.test.ts`).",
    "",
  ];
  return lines.join("\n");
}

const amount = (run: number, planned: number): string =>
  run === planned ? `${run} points` : `the first ${run} of ${planned} points`;

function cell(results: readonly Result[], phase: Phase, fault: Fault): string {
  const here = results.filter(({ point }) => point.phase === phase && point.fault === fault);
  return here.length === 0 ? "–" : `${here.filter((result) => !failed(result)).length} of ${here.length}`;
}
