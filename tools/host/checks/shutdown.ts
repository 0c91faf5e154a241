import type { HostNeeds, SystemFacts } from "../facts.ts";
import { parseAssignments, parseTimeSpan } from "../parse.ts";
import { type HostFinding, PREPARE, passed, seconds } from "./finding.ts";

/** The unit that shuts guests down with their host. */
export const GUESTS_UNIT = "libvirt-guests.service";
/** Targets of systemd that end the host by force when their time is over. */
export const END_TARGETS = ["poweroff.target", "reboot.target"] as const;

/** How long the machines of the stack need when their host shuts down. */
export interface ShutdownTimes {
  /** Every job ends and every machine shuts down, all at the same time. */
  readonly gentleSeconds: number;
  /** The shutdowns alone: less costs file systems their order. */
  readonly leastSeconds: number;
  readonly machines: number;
}

/** What the stack's machines need; zeros where there are none. */
export function shutdownTimes(needs: HostNeeds): ShutdownTimes {
  const running = needs.machines.filter((machine) => machine.runs);
  return {
    gentleSeconds: Math.max(0, ...running.map((machine) => machine.drainSeconds + machine.stopSeconds)),
    leastSeconds: Math.max(0, ...running.map((machine) => machine.stopSeconds)),
    machines: running.length,
  };
}

/** Settings of libvirt-guests that are in force: the file's, else the script's own. */
export function guestsSettings(
  system: Pick<SystemFacts, "guestsFile" | "guestsDefaults">,
): Map<string, string> | undefined {
  if (!system.guestsFile.known) return undefined;
  const defaults = system.guestsDefaults.known ? system.guestsDefaults.value : new Map<string, string>();
  const own = parseAssignments(system.guestsFile.value.text ?? "");
  return new Map([...defaults, ...own]);
}

/** Everything about what happens to the machines when their host shuts down. */
export function checkShutdown(system: SystemFacts, needs: HostNeeds): HostFinding[] {
  return [
    checkService(system),
    ...checkSettings(system, shutdownTimes(needs)),
    checkStopTimeout(system, shutdownTimes(needs)),
    checkEndTargets(system, shutdownTimes(needs)),
    checkOrder(system),
  ];
}

const killed =
  "the host switches machines off hard that still run when it goes down, and their jobs are lost";

function checkService(system: SystemFacts): HostFinding {
  const id = "guests-service";
  if (!system.units.known) {
    return unknownAs(id, "whether libvirt-guests is on", system.units.why, killed);
  }
  const unit = system.units.value.get(GUESTS_UNIT);
  const remedy = `${PREPARE}; or: systemctl enable --now ${GUESTS_UNIT}`;
  if (unit === undefined || unit.get("LoadState") !== "loaded") {
    const what = `${GUESTS_UNIT} is not installed`;
    return { id, state: "error", what, why: killed, remedy: "install libvirt's client package" };
  }
  const enabled = unit.get("UnitFileState") === "enabled";
  const active = unit.get("ActiveState") === "active";
  if (enabled && active) return passed(id, `${GUESTS_UNIT} is enabled and active`);
  const what = `${GUESTS_UNIT} is ${enabled ? "enabled" : "not enabled"} and ${active ? "active" : "not active"}`;
  return { id, state: "error", what, why: killed, remedy };
}

function unknownAs(id: string, what: string, reason: string, why: string): HostFinding {
  const remedy = `look at it on the host itself: systemctl status ${GUESTS_UNIT}`;
  return { id, state: "unknown", what: `${what} is not known: ${reason}`, why, remedy };
}

function checkSettings(system: SystemFacts, times: ShutdownTimes): HostFinding[] {
  const settings = guestsSettings(system);
  if (settings === undefined) {
    const why = system.guestsFile.known ? "" : system.guestsFile.why;
    return [unknownAs("guests-on-shutdown", "what libvirt-guests does at a shutdown", why, killed)];
  }
  const onShutdown = settings.get("ON_SHUTDOWN");
  return [
    checkOnShutdown(onShutdown),
    ...(onShutdown === "shutdown" ? [checkTimeout(settings, times), checkParallel(settings, times)] : []),
    checkOnBoot(settings.get("ON_BOOT")),
  ];
}

function checkOnShutdown(value: string | undefined): HostFinding {
  const id = "guests-on-shutdown";
  if (value === "shutdown") return passed(id, "machines are shut down with their host");
  const why =
    "a machine that is saved with its memory is away for SLURM: its jobs are given up, and it comes back in the middle of them";
  if (value === undefined) {
    const what = "what libvirt-guests does with machines is not known: neither its file nor its program says";
    return { id, state: "unknown", what, why, remedy: PREPARE };
  }
  return {
    id,
    state: "warning",
    what: `machines are not shut down (ON_SHUTDOWN=${value})`,
    why,
    remedy: PREPARE,
  };
}

/** Seconds of a setting of libvirt-guests: 0 means no limit; undefined where it is no number. */
export function timeoutOf(value: string | undefined): number | undefined {
  if (value === undefined || !/^\d+$/.test(value)) return undefined;
  return Number(value) === 0 ? Number.POSITIVE_INFINITY : Number(value);
}

function checkTimeout(settings: ReadonlyMap<string, string>, times: ShutdownTimes): HostFinding {
  const value = settings.get("SHUTDOWN_TIMEOUT");
  const limit = timeoutOf(value);
  if (limit === undefined) {
    const what = `how long libvirt-guests waits is not known (SHUTDOWN_TIMEOUT=${value ?? ""})`;
    return { id: "guests-timeout", state: "unknown", what, why: killed, remedy: PREPARE };
  }
  return judgeLimit("guests-timeout", "libvirt-guests waits for a machine", limit, times);
}

/** Too short for jobs is a warning, too short for the shutdowns themselves an error. */
function judgeLimit(id: string, what: string, limit: number, times: ShutdownTimes): HostFinding {
  const text = `${what}: ${seconds(limit)}`;
  if (limit >= times.gentleSeconds) return passed(id, text);
  const least = limit < times.leastSeconds;
  return {
    id,
    state: least ? "error" : "warning",
    what: `${text}; machines may need ${seconds(times.gentleSeconds)}, ${seconds(times.leastSeconds)} of them for the shutdown`,
    why: killed,
    remedy: PREPARE,
  };
}

function checkParallel(settings: ReadonlyMap<string, string>, times: ShutdownTimes): HostFinding {
  const id = "guests-parallel";
  const parallel = Number(settings.get("PARALLEL_SHUTDOWN") ?? "0");
  if (times.machines <= 1 || parallel >= times.machines) {
    return passed(id, "machines shut down at the same time");
  }
  const what =
    parallel > 1
      ? `${parallel} of ${times.machines} machines shut down at the same time, within one time limit`
      : `${times.machines} machines shut down one after another`;
  const why = "the last one waits for the jobs of all others, and gets new ones meanwhile";
  return { id, state: "warning", what, why, remedy: PREPARE };
}

function checkOnBoot(value: string | undefined): HostFinding {
  const id = "guests-on-boot";
  if (value !== "start") return passed(id, "only machines with autostart start with the host");
  return {
    id,
    state: "warning",
    what: "libvirt-guests starts what ran before, whatever the cluster file says (ON_BOOT=start)",
    why: "a machine that is declared off comes up again with the host",
    remedy: PREPARE,
  };
}

function checkStopTimeout(system: SystemFacts, times: ShutdownTimes): HostFinding {
  const id = "guests-stop-timeout";
  const limit = limitOf(system, GUESTS_UNIT, "TimeoutStopUSec");
  if (typeof limit === "string") {
    return unknownAs(id, "how long systemd waits for libvirt-guests", limit, killed);
  }
  return judgeLimit(id, "systemd waits for libvirt-guests", limit, times);
}

function checkEndTargets(system: SystemFacts, times: ShutdownTimes): HostFinding {
  const id = "poweroff-timeout";
  const limits = END_TARGETS.map((unit) => limitOf(system, unit, "JobTimeoutUSec"));
  const reason = limits.find((limit) => typeof limit === "string");
  if (reason !== undefined) {
    return unknownAs(id, "how long systemd waits before it ends the host by force", reason, killed);
  }
  const shortest = Math.min(...limits.filter((limit) => typeof limit === "number"));
  return judgeLimit(id, "systemd waits before it ends the host by force", shortest, times);
}

/** Seconds of a unit's time limit, or why they are not known. */
export function limitOf(system: Pick<SystemFacts, "units">, unit: string, property: string): number | string {
  if (!system.units.known) return system.units.why;
  const value = system.units.value.get(unit)?.get(property);
  const limit = value === undefined ? undefined : parseTimeSpan(value);
  return limit ?? `systemd does not say ${property} of ${unit}`;
}

function checkOrder(system: SystemFacts): HostFinding {
  const id = "libvirtd-order";
  const why = "where libvirt stops first at a shutdown, nobody can shut the machines down";
  if (!system.units.known) {
    return unknownAs(id, "whether libvirt outlives its machines", system.units.why, why);
  }
  const unit = system.units.value.get(GUESTS_UNIT);
  if (unit?.get("LoadState") !== "loaded") {
    return unknownAs(id, "whether libvirt outlives its machines", `${GUESTS_UNIT} is not installed`, why);
  }
  const after = new Set((unit.get("After") ?? "").split(/\s+/));
  const daemons = ["libvirtd.service", "libvirtd.socket", "virtqemud.service", "virtqemud.socket"];
  if (daemons.some((name) => after.has(name))) return passed(id, "libvirt-guests stops before libvirt does");
  return {
    id,
    state: "error",
    what: "libvirt-guests is not ordered after libvirt's daemon",
    why,
    remedy: "take the distribution's unit file: systemctl revert libvirt-guests.service",
  };
}
