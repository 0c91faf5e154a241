import { isArray, isObject, type PropertyMap, type PropertyValue } from "../../../../plugin/values.ts";
import type { Hold } from "../../../ownership/index.ts";
import type { Change } from "../../../schema/index.ts";
import { holdText, releaseCommand } from "../hold.ts";
import type { Facts } from "./facts.ts";
import type { DomainPlan } from "./plan.ts";

/** Fields by which people know an item of a list. */
const itemNames: Readonly<Record<string, string>> = {
  disks: "target",
  interfaces: "mac",
  hostDevices: "address",
  filesystems: "tag",
  cpuPins: "vcpu",
};

/** The plan in one line, beginning with the machine's name. `hidden`: nothing of the inputs may be shown but that. */
export function describePlan(
  plan: Omit<DomainPlan, "line">,
  inputs: { readonly olds: PropertyMap; readonly news: PropertyMap },
  facts: Facts,
  hidden: boolean,
): string {
  const { olds, news } = inputs;
  const name = machineName(news.name ?? olds.name);
  const described = plan.changes.map((change) =>
    hidden ? describeChange(change, {}, {}) : describeChange(change, olds, news),
  );
  if (facts.entriesMissing) described.push("reservation and DNS entry made again");
  const list = described.join(", ");
  const details = list === "" ? "" : ` (${list})`;
  const parts = [`${name}: ${verb(plan, details, facts, name)}`];
  // A replaced machine is removed as it was declared.
  if (plan.stops) parts.push(quiesceText(plan.action === "replace" ? olds : news, facts));
  if (plan.newRootDisk && plan.action === "rebuild" && !facts.rootDiskMissing) {
    parts.push("new root disk, the old one is kept until the machine is ready");
  }
  if (plan.defines && facts.unmanaged.length > 0) {
    parts.push(`drops what is not declared: ${facts.unmanaged.join(", ")}`);
  }
  if (facts.hold !== undefined) parts.push(heldText(name, facts.hold, facts));
  return parts.join(", ");
}

/** Whose the power state of a held machine is, and the way out. */
function heldText(name: string, hold: Hold, facts: Facts): string {
  const runs = facts.power === "running" ? "; it runs all the same" : "";
  return `${holdText(hold)}${runs}; release with: ${releaseCommand(hold, name)}`;
}

/** The line of a machine that is made. */
export function createLine(news: PropertyMap): string {
  return `${machineName(news.name)}: create${news.running === false ? ", not started" : ""}`;
}

/** The line of a machine that is removed. */
export function deleteLine(olds: PropertyMap, facts: Facts): string {
  const name = machineName(olds.name);
  return facts.power === "running" ? `${name}: delete, ${quiesceText(olds, facts)}` : `${name}: delete`;
}

const machineName = (name: PropertyValue | undefined) => (typeof name === "string" ? name : "machine");

function verb(plan: Omit<DomainPlan, "line">, details: string, facts: Facts, name: string): string {
  const thenStart = plan.starts ? ", then start" : "";
  switch (plan.action) {
    case "nothing":
      return "nothing";
    case "record":
      return `no effect on the machine${details}`;
    case "live":
      return `live${details}`;
    case "continue":
      return `wait until ready: an earlier run ended before it was${details}`;
    case "start":
      return `start: should run and ${facts.power === "crashed" ? "has crashed" : "is shut off"}${details}`;
    case "resume":
      return `resume: should run and is paused${facts.power === "ioerror" ? " because the host could not write its disk" : ""}${details}`;
    case "redefine":
      return `change while it is off${details}${thenStart}`;
    case "recover":
      return plan.newRootDisk
        ? `make again: the definition and the root disk are gone${details}${thenStart}`
        : `define again on its own disk: the definition is gone${details}${thenStart}`;
    case "stop":
      return `stop${details}`;
    case "restart":
      return `restart${details}`;
    case "rebuild":
      return facts.rootDiskMissing ? `rebuild: the root disk is gone${details}` : `rebuild${details}`;
    case "replace":
      return `replace${details}: deleted first, then made anew`;
    case "forbidden":
      return `refused${details}: ${[...reasons(plan.changes), ...foreignReason(name, facts)].join("; ")}`;
    default:
      return unreachable(plan.action);
  }
}

function unreachable(action: never): never {
  throw new Error(`no text for ${String(action)}`);
}

function reasons(changes: readonly Change[]): string[] {
  return changes.flatMap((change) => (change.effect === "forbidden" ? [change.because ?? ""] : []));
}

/** Why a machine with another root disk than its own is not changed, and the way out; empty for other machines. */
export function foreignReason(name: string, facts: Pick<Facts, "foreignRoot">): string[] {
  if (facts.foreignRoot === undefined) return [];
  return [
    `its root disk is ${facts.foreignRoot}, not the one that was made for it, and what was written since would be lost; ` +
      `if that is a snapshot, merge it first ("virsh blockcommit ${name} vda --active --shallow --pivot")`,
  ];
}

/** How the machine is emptied before it stops, and what becomes of work that does not end in time. */
export function quiesceText(inputs: PropertyMap, facts: Facts): string {
  const quiesce = isObject(inputs.quiesce) ? inputs.quiesce : {};
  const { hook } = quiesce;
  if (hook === "never") return "stop without quiesce";
  if (hook !== "ifPresent" || facts.quiesceHook === true) return `quiesce first${overdueText(quiesce)}`;
  return facts.quiesceHook === false
    ? "no hook known: will stop without quiesce"
    : `quiesce first if the guest has a hook${overdueText(quiesce)}`;
}

/** Only where work is interrupted: people have to know before. */
function overdueText(quiesce: PropertyMap): string {
  const { onTimeout, timeoutSeconds = 3600 } = quiesce;
  if (typeof timeoutSeconds !== "number") return "";
  const time = timeoutSeconds % 60 === 0 ? `${timeoutSeconds / 60} minutes` : `${timeoutSeconds} seconds`;
  if (onTimeout === "kill") return `: jobs still running after ${time} are cancelled`;
  if (onTimeout !== "requeue") return "";
  return `: jobs still running after ${time} are requeued where they can be`;
}

function describeChange(change: Change, olds: PropertyMap, news: PropertyMap): string {
  const path = readablePath(change.path, change.kind === "delete" ? olds : news);
  if (change.before !== undefined && change.after !== undefined) {
    return `${path} ${change.before} → ${change.after}`;
  }
  if (change.kind === "add")
    return change.after === undefined ? `${path} added` : `${path} set to ${change.after}`;
  return change.kind === "delete" ? `${path} removed` : `${path} changed`;
}

/** `disks[1].volume` as `disks[vdb].volume`: people know a disk by its target, not by its place in a list. */
function readablePath(path: string, inputs: PropertyMap): string {
  const match = /^(\w+)\[(\d+)\](.*)$/.exec(path);
  if (match === null) return path;
  const [, list = "", index = "", rest = ""] = match;
  const items = inputs[list];
  const item = isArray(items) ? items[Number(index)] : undefined;
  const name = itemNames[list];
  const value = name !== undefined && isObject(item) ? item[name] : undefined;
  return typeof value === "string" || typeof value === "number" ? `${list}[${value}]${rest}` : path;
}
