import {
  END_TARGETS,
  GUESTS_UNIT,
  guestsSettings,
  limitOf,
  type ShutdownTimes,
  shutdownTimes,
  timeoutOf,
} from "./checks/shutdown.ts";
import type { HostNeeds, SystemFacts } from "./facts.ts";
import { type ForwardPlan, NOTHING, planForward } from "./forward.ts";
import { parseAssignments } from "./parse.ts";

/** A file as it is and as it should be. */
export interface FileChange {
  readonly path: string;
  /** Undefined: it does not exist. */
  readonly before: string | undefined;
  /** Undefined: it is to be deleted. */
  readonly after: string | undefined;
  /** Values that somebody set himself and that would count no more, as they stand there. */
  readonly overrides: readonly string[];
}

/** What makes a host ready for the machines, as data. */
export interface Preparation {
  /** Commands of root, before the files are written. */
  readonly first: readonly (readonly string[])[];
  readonly files: readonly FileChange[];
  /** Commands of root, after the files are written. */
  readonly commands: readonly (readonly string[])[];
  /** What could not be decided, and why. */
  readonly open: readonly string[];
  /** What is in the way and has to be mended first; the rest can be done. */
  readonly conflicts: readonly string[];
}

const author = 'hyperlab ("hyperlab host prepare")';
const blockBegin = `# >>> ${author}. To undo: delete this block. >>>`;
const blockEnd = "# <<< hyperlab <<<";
/** Of all machines on the host, those of others included; more nodes later change nothing. */
const PARALLEL = 100;

/** The drop-in of a unit. */
export const dropInOf = (unit: string): string => `/etc/systemd/system/${unit}.d/50-hyperlab.conf`;
/** Every drop-in that may be written. */
export const DROP_INS: readonly string[] = [GUESTS_UNIT, ...END_TARGETS].map(dropInOf);

/** Decides what to change. Nothing where everything is as it should be, so that a second time changes nothing. */
export function planPreparation(system: SystemFacts, needs: HostNeeds): Preparation {
  const times = shutdownTimes(needs);
  const settings = planSettings(system, times);
  const units = planUnits(system, times);
  const forward = forwardPlan(system, needs);
  const reload = units.files.length + forward.files.length + forward.commands.length > 0;
  return {
    first: forward.first,
    files: [...settings.files, ...units.files, ...forward.files],
    commands: [
      ...(reload ? [["systemctl", "daemon-reload"]] : []),
      ...enableService(system),
      ...forward.commands,
    ],
    open: [...settings.open, ...units.open, ...forward.open],
    conflicts: forward.conflict === undefined ? [] : [forward.conflict],
  };
}

type Forward = Omit<ForwardPlan, "files"> & { files: readonly FileChange[]; open: readonly string[] };

function forwardPlan({ forwards }: SystemFacts, { forward }: HostNeeds): Forward {
  const unclear = (why: string): Forward => ({ ...NOTHING, files: [], open: [`ports for logins: ${why}`] });
  if (!forward.known) return unclear(forward.why);
  if (!forwards.known)
    return forward.value.forward === undefined ? { ...NOTHING, files: [], open: [] } : unclear(forwards.why);
  const plan = planForward(forwards.value, forward.value);
  const files = plan.files.map((file): FileChange => {
    const ours = file.before === undefined || file.before.startsWith("# Written by hyperlab ");
    return { ...file, overrides: ours ? [] : [`all of ${file.path}`] };
  });
  return { ...plan, files, open: [] };
}

/** What the settings of libvirt-guests should be where they are not. */
export function wantedSettings(
  settings: ReadonlyMap<string, string>,
  times: ShutdownTimes,
): Map<string, string> {
  const wanted = new Map<string, string>();
  if (settings.get("ON_SHUTDOWN") !== "shutdown") wanted.set("ON_SHUTDOWN", "shutdown");
  const limit = timeoutOf(settings.get("SHUTDOWN_TIMEOUT"));
  if (limit === undefined || limit < times.gentleSeconds) {
    wanted.set("SHUTDOWN_TIMEOUT", String(Math.max(300, Math.ceil(times.gentleSeconds))));
  }
  const parallel = Number(settings.get("PARALLEL_SHUTDOWN") ?? "0");
  if (times.machines > 1 && !(parallel >= times.machines)) {
    wanted.set("PARALLEL_SHUTDOWN", String(Math.max(PARALLEL, times.machines)));
  }
  if (settings.get("ON_BOOT") === "start") wanted.set("ON_BOOT", "ignore");
  return wanted;
}

function planSettings(system: SystemFacts, times: ShutdownTimes): Pick<Preparation, "files" | "open"> {
  const { guestsFile } = system;
  const settings = guestsSettings(system);
  if (!guestsFile.known || settings === undefined) {
    const why = guestsFile.known ? "" : guestsFile.why;
    return { files: [], open: [`the settings of libvirt-guests are not known: ${why}`] };
  }
  if (wantedSettings(settings, times).size === 0) return { files: [], open: [] };
  const { path, text } = guestsFile.value;
  const own = withoutBlock(text ?? "");
  const defaults = system.guestsDefaults.known ? system.guestsDefaults.value : new Map<string, string>();
  const assigned = parseAssignments(own);
  const wanted = wantedSettings(new Map([...defaults, ...assigned]), times);
  const lines = [...wanted].map(([name, value]) => `${name}=${value}`);
  const start = own === "" || own.endsWith("\n") ? own : `${own}\n`;
  const after = `${start}${blockBegin}\n${lines.join("\n")}\n${blockEnd}\n`;
  const overrides = [...wanted.keys()].flatMap((name) => {
    const value = assigned.get(name);
    return value === undefined ? [] : [`${name}=${value} in ${path}`];
  });
  return { files: [{ path, before: text, after, overrides }], open: [] };
}

/** A file without what an earlier run put at its end. */
export function withoutBlock(text: string): string {
  const lines = text.split("\n");
  const begin = lines.findIndex((line) => line.startsWith("# >>> hyperlab "));
  if (begin < 0) return text;
  const end = lines.indexOf(blockEnd, begin);
  return [...lines.slice(0, begin), ...(end < 0 ? [] : lines.slice(end + 1))].join("\n");
}

function planUnits(system: SystemFacts, times: ShutdownTimes): Pick<Preparation, "files" | "open"> {
  if (!system.units.known) {
    return { files: [], open: [`the time limits of systemd are not known: ${system.units.why}`] };
  }
  const limit = (unit: string, property: string, text: string) => {
    const now = limitOf(system, unit, property);
    if (typeof now === "string") return { files: [], open: [now] };
    if (now >= times.gentleSeconds) return { files: [], open: [] };
    return dropIn(system, unit, text);
  };
  // libvirt-guests itself needs some time around the machines'.
  const targetSeconds = Math.ceil(times.gentleSeconds) + 600;
  const plans = [
    limit(GUESTS_UNIT, "TimeoutStopUSec", "[Service]\nTimeoutStopSec=infinity\n"),
    ...END_TARGETS.map((unit) => limit(unit, "JobTimeoutUSec", `[Unit]\nJobTimeoutSec=${targetSeconds}\n`)),
  ];
  return { files: plans.flatMap(({ files }) => files), open: plans.flatMap(({ open }) => open) };
}

function dropIn(
  system: SystemFacts,
  unit: string,
  body: string,
): { files: readonly FileChange[]; open: readonly string[] } {
  const path = dropInOf(unit);
  const after = `# Written by ${author}. To undo: delete this file, then systemctl daemon-reload.\n${body}`;
  const before = system.dropIns.get(path);
  if (before === after) {
    const text = `${path} is as it should be, but another file overrides it; see systemctl cat ${unit}`;
    return { files: [], open: [text] };
  }
  const ours = before === undefined || before.startsWith("# Written by hyperlab ");
  return { files: [{ path, before, after, overrides: ours ? [] : [`all of ${path}`] }], open: [] };
}

function enableService(system: SystemFacts): string[][] {
  if (!system.units.known) return [];
  const unit = system.units.value.get(GUESTS_UNIT);
  if (unit?.get("LoadState") !== "loaded") return [];
  const on = unit.get("UnitFileState") === "enabled" && unit.get("ActiveState") === "active";
  return on ? [] : [["systemctl", "enable", "--now", GUESTS_UNIT]];
}

/** Lines that go and come, with up to two that stay around them. */
export function diffLines(before: string, after: string): string[] {
  const [old, next] = [linesOf(before), linesOf(after)];
  let same = 0;
  while (same < old.length && same < next.length && old[same] === next[same]) same += 1;
  let tail = 0;
  const most = Math.min(old.length, next.length) - same;
  while (tail < most && old.at(-1 - tail) === next.at(-1 - tail)) tail += 1;
  if (same === old.length && same === next.length) return [];
  return [
    ...old.slice(Math.max(0, same - 2), same).map((line) => ` ${line}`),
    ...old.slice(same, old.length - tail).map((line) => `-${line}`),
    ...next.slice(same, next.length - tail).map((line) => `+${line}`),
    ...next.slice(next.length - tail, next.length - tail + 2).map((line) => ` ${line}`),
  ];
}

const linesOf = (text: string): string[] => (text === "" ? [] : text.replace(/\n$/, "").split("\n"));
