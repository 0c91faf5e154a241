import { hostname, userInfo } from "node:os";
import { createLibvirtClient } from "../../providers/libvirt/client/index.ts";
import type { ProviderContext } from "../../providers/libvirt/context.ts";
import { readCache } from "../../providers/libvirt/host.ts";
import {
  bringBack,
  evacuate,
  evacuationStep,
  type HostMachine,
  type HostSurvey,
  isEvacuated,
  type MachineResult,
  type MaintenanceContext,
  surveyHost,
} from "../../providers/libvirt/maintenance/index.ts";
import { RolloutRegistry } from "../../providers/libvirt/rollout.ts";
import { ProviderError } from "../../providers/plugin/index.ts";
import { passInterrupts } from "../engine/interrupts.ts";
import type { RecordedHost } from "../host/recorded.ts";
import { chooseHost, stackHosts } from "../host/stack-hosts.ts";
import { ask } from "../report/ask.ts";
import { duration } from "../report/duration.ts";
import type { Reporter } from "../report/progress.ts";
import { withStackLock } from "../state/stack-lock.ts";
import type { Context } from "./context.ts";

/** Options of `host evacuate` and `host return`. */
export interface EvacuationOptions {
  /** Connection URI of the host, where the stack has several. */
  host: string | undefined;
  /** Do not ask. */
  yes: boolean;
  /** Why, for the machines' logs and for people who find them off. */
  reason: string;
}

const INTERRUPTED = 130;

/**
 * Empties and stops the stack's machines on a host. Returns the exit code.
 *
 * @param question How the person at the terminal is asked.
 * @throws Refusal where somebody else works on the stack.
 */
export function evacuateHost(context: Context, options: EvacuationOptions, question = ask): Promise<number> {
  return onHost(context, options.host, async (work, survey) => {
    const { report } = context;
    showOthers(report, survey);
    const stops = survey.machines.filter((machine) => evacuationStep(machine).kind === "stop");
    if (stops.length === 0 && !survey.machines.some(isRefused)) {
      report.line("No machine of this stack runs on the host.");
      return [];
    }
    if (context.interactive && !options.yes && !(await agreed(stops, question))) {
      report.line("Nothing was changed.");
      return "declined";
    }
    const since = new Date().toISOString();
    const by = `${userInfo().username}@${hostname()}`;
    return evacuate(work, survey.machines, { by, since, reason: options.reason });
  });
}

const isRefused = (machine: HostMachine): boolean => evacuationStep(machine).kind === "refuse";

async function agreed(stops: readonly HostMachine[], question: typeof ask): Promise<boolean> {
  const what = stops.length <= 5 ? stops.map(({ name }) => name).join(", ") : `${stops.length} machines`;
  const answer = await question(`This empties and stops ${what}. Go on? [y/N] `);
  return answer !== undefined && /^y(es)?$/i.test(answer);
}

/**
 * Starts what an evacuation stopped. Returns the exit code.
 * @throws Refusal where somebody else works on the stack.
 */
export function returnHost(context: Context, options: Pick<EvacuationOptions, "host">): Promise<number> {
  return onHost(context, options.host, async (work, survey) => {
    const evacuated = survey.machines.filter(isEvacuated);
    if (evacuated.length > 0) return bringBack(work, evacuated);
    context.report.line("No machine of this stack waits to return.");
    return [];
  });
}

type HostWork = (
  maintenance: MaintenanceContext,
  survey: HostSurvey,
) => Promise<MachineResult[] | "declined">;

/** Holds the stack as every change of its machines does, while it works on a host. */
async function onHost(context: Context, named: string | undefined, work: HostWork): Promise<number> {
  const host = chooseHost(await stackHosts(context), named, context.layout.stack);
  return withStackLock(context.layout, () => workOn(host, context.report, work));
}

/** Connects to the host, shows what happens to its machines, and says how it went. */
async function workOn(host: RecordedHost, report: Reporter, work: HostWork): Promise<number> {
  const abort = new AbortController();
  const provider = providerOf(host, (text) => report.line(report.colour("yellow", `warning: ${text}`)));
  const interrupts = passInterrupts(
    () => {
      if (interrupts.count() > 1) process.exit(INTERRUPTED);
      abort.abort(new ProviderError("interrupted", "cancelled"));
    },
    (text) => report.line(text),
  );
  const shown = new Display(report);
  try {
    const survey = await surveyHost(provider, host.machines);
    const results = await work({ provider, observer: shown, signal: abort.signal }, survey);
    shown.stop();
    if (results === "declined") return 1;
    return conclude(report, results, abort.signal.aborted);
  } finally {
    shown.stop();
    interrupts.stop();
    await provider.client.close();
  }
}

function providerOf(host: RecordedHost, onWarning: (text: string) => void): ProviderContext {
  const client = createLibvirtClient(host.uri, { onWarning });
  return {
    config: { uri: host.uri, owner: host.owner, refreshBeforeUpdate: true },
    client,
    cache: readCache(client),
    rollout: new RolloutRegistry(),
  };
}

function showOthers(report: Reporter, { others }: HostSurvey): void {
  for (const { name, whose } of others) {
    report.line(`${name} runs on the host and is not touched (${whose}).`);
  }
}

/** One line per machine that is finished with, and a living one for those that are worked on. */
class Display {
  readonly #report: Reporter;
  readonly #start = Date.now();
  #status = "";
  #stopLive: (() => void) | undefined;

  constructor(report: Reporter) {
    this.#report = report;
  }

  status(text: string): void {
    this.#status = text;
    this.#stopLive ??= this.#report.live(
      () => `${this.#status} (${duration(Date.now() - this.#start)} in all)`,
    );
  }

  warning(text: string): void {
    this.#report.line(this.#report.colour("yellow", text));
  }

  finished({ name, outcome, why }: MachineResult): void {
    const bad = outcome === "failed" || outcome === "not tried";
    const sign = bad ? this.#report.colour("red", "✗") : this.#report.colour("green", "✓");
    const time = duration(Date.now() - this.#start);
    this.#report.line(`${sign} ${name}: ${outcome}${why === undefined ? "" : `: ${why}`} (${time})`);
  }

  stop(): void {
    this.#stopLive?.();
    this.#stopLive = undefined;
  }
}

function conclude(report: Reporter, results: readonly MachineResult[], interrupted: boolean): number {
  const bad = results.filter(({ outcome }) => outcome === "failed" || outcome === "not tried");
  if (bad.length === 0) {
    const stopped = results.filter(({ outcome }) => outcome === "stopped" || outcome === "already off");
    if (stopped.length > 0) {
      report.line("The machines of this stack are off and stay so until: hyperlab host return");
    }
    return 0;
  }
  report.line(
    `Not finished: ${bad.map(({ name }) => name).join(", ")}. What was done is kept; the same command goes on from here.`,
  );
  return interrupted ? INTERRUPTED : 1;
}
