import type { HpcConfig } from "../config/model.ts";
import type { HostFacts, Known } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import type { HpcClusterPlan } from "./plan.ts";

/** What a drain may need, in seconds; infinite where it has no end. */
export interface DrainNeed {
  /** Until the jobs are gone or the run has failed. */
  readonly waitSeconds: number;
  /** From the order to end a job until it is gone; 0 where no job is ended. */
  readonly endSeconds: number;
}

/** A time limit on the way of a drain. */
export interface DrainLimit {
  readonly id: string;
  /** Whose limit it is, for people. */
  readonly what: string;
  /** Infinite where there is none. */
  readonly seconds: Known<number>;
  readonly needs: (need: DrainNeed) => number;
  /** How to raise it. */
  readonly remedy: (neededSeconds: number) => string;
}

/** Time that a machine takes to go down once its jobs are gone. */
const SHUTDOWN_SECONDS = 90;
/** How long the provider and the controller wait for jobs that were told to end. */
export const END_LIMIT_SECONDS = 600;

const none: Known<number> = { known: true, value: Number.POSITIVE_INFINITY };
const wholeWait = (need: DrainNeed): number => need.waitSeconds + need.endSeconds + SHUTDOWN_SECONDS;
const ownLimit = (id: string, what: string): DrainLimit => ({
  id,
  what,
  seconds: none,
  needs: wholeWait,
  remedy: () => "Report this defect.",
});

/**
 * Every time limit between a machine that has to stop and the end of its jobs: the one table of them. Those of hyperlab's
 * own guest software are infinite, so that a longer wait needs no other seed and no other image.
 */
export function drainLimits(host: Pick<HostFacts, "guestShutdownSeconds">): readonly DrainLimit[] {
  return [
    ownLimit("provider", "the provider's call for one machine"),
    ownLimit("hyperlab-self-drain.service", "TimeoutStopSec of hyperlab-self-drain.service in the guest"),
    ...["poweroff", "reboot", "halt", "kexec"].map((target) =>
      ownLimit(`${target}.target`, `JobTimeoutSec of ${target}.target in the guest`),
    ),
    {
      id: "end-of-jobs",
      what: "hyperlab's wait for jobs that were told to end",
      seconds: { known: true, value: END_LIMIT_SECONDS },
      needs: (need) => need.endSeconds,
      remedy: () => "Lower slurm_config.KillWait, or set drain.then to fail or wait.",
    },
    {
      id: "libvirt-guests",
      what: "libvirt-guests on the host, which stops machines when the host itself shuts down (SHUTDOWN_TIMEOUT)",
      seconds: host.guestShutdownSeconds,
      needs: wholeWait,
      remedy: (needed) =>
        Number.isFinite(needed)
          ? `Set SHUTDOWN_TIMEOUT=${needed} or more there (/etc/default/libvirt-guests), or lower drain.wait_minutes.`
          : "Set SHUTDOWN_TIMEOUT=0 there (/etc/default/libvirt-guests), or give drain.wait_minutes another end than wait.",
    },
  ];
}

/** What the cluster's drain may need. */
export function drainNeed(drain: HpcConfig["drain"], killWaitSeconds: number): DrainNeed {
  const { onTimeout = "fail", waitMinutes } = drain;
  return {
    waitSeconds: onTimeout === "wait" ? Number.POSITIVE_INFINITY : waitMinutes * 60,
    endSeconds: onTimeout === "requeue" || onTimeout === "kill" ? killWaitSeconds : 0,
  };
}

/** Limits that a drain does not fit, with what it needs. */
export function exceededLimits(
  need: DrainNeed,
  limits: readonly DrainLimit[],
): { limit: DrainLimit; neededSeconds: number; seconds: number }[] {
  return limits.flatMap((limit) => {
    const neededSeconds = limit.needs(need);
    if (!limit.seconds.known || neededSeconds <= limit.seconds.value) return [];
    return [{ limit, neededSeconds, seconds: limit.seconds.value }];
  });
}

/** SLURM's own default of KillWait. */
const KILL_WAIT_SECONDS = 30;

/**
 * A drain that is longer than a time limit on its way would end in the middle, with jobs killed. One that nobody asked
 * for is a warning: it is the default.
 */
export function checkDrain(
  config: HpcConfig,
  plan: HpcClusterPlan,
  host: HostFacts,
  findings: Findings,
): void {
  const { drain } = config;
  const path = `${HPC}.drain.${drain.onTimeout === "wait" ? "then" : "wait_minutes"}`;
  const killWait = Number(plan.slurm.parameters.KillWait ?? KILL_WAIT_SECONDS);
  const limits = drainLimits(host);
  for (const { seconds, what } of limits) {
    if (seconds.known) continue;
    findings.unknown(
      "drain-limit-unknown",
      path,
      `whether ${what} waits for jobs as long as the drain: not known, ${seconds.why}`,
      "Look at SHUTDOWN_TIMEOUT in /etc/default/libvirt-guests on the host.",
    );
  }
  for (const { limit, neededSeconds, seconds } of exceededLimits(drainNeed(drain, killWait), limits)) {
    const needs = Number.isFinite(neededSeconds) ? `may need ${neededSeconds} s` : "has no time limit";
    const text = `emptying a machine ${needs}; ${limit.what} ends after ${seconds} s`;
    const report = drain.byDefault === true && limit.id === "libvirt-guests" ? "warning" : "error";
    findings[report]("drain-exceeds-limit", path, text, limit.remedy(neededSeconds));
  }
}
