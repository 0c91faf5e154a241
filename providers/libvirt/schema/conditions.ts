import { isArray, isObject, type PropertyMap, type PropertyValue } from "../../plugin/values.ts";
import type { Condition } from "./table.ts";
import { sameTarget } from "./target.ts";

/** What a condition may look at. */
export interface ChangeFacts {
  readonly before: PropertyValue | undefined;
  readonly after: PropertyValue | undefined;
  /** The item of a list that the field belongs to, before and after; empty outside lists. */
  readonly itemBefore: PropertyMap;
  readonly itemAfter: PropertyMap;
  /** All inputs, with defaults, before and after. */
  readonly olds: PropertyMap;
  readonly news: PropertyMap;
}

const numberOf = (value: PropertyValue | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;

const isCdrom = (item: PropertyMap): boolean => item.device === "cdrom";

const isSeed = (item: PropertyMap): boolean => item.seed === true;

const isReadOnly = (disk: PropertyMap): boolean => disk.readOnly === true || isCdrom(disk) || isSeed(disk);

const hasRootDisk = (inputs: PropertyMap): boolean => isObject(inputs.rootDisk);

/** cloud-init's instance id in a serial number for its NoCloud source. */
function instanceOf(serial: PropertyValue | undefined): string | undefined {
  if (typeof serial !== "string" || !serial.startsWith("ds=nocloud")) return undefined;
  return /;i=([^;]*)/.exec(serial)?.[1];
}

function otherInstance({ before, after }: ChangeFacts): boolean {
  const [old, present] = [instanceOf(before), instanceOf(after)];
  return old !== undefined && present !== undefined && old !== present;
}

function compareNumbers(facts: ChangeFacts, test: (before: number, after: number) => boolean): boolean {
  const before = numberOf(facts.before);
  const after = numberOf(facts.after);
  return before !== undefined && after !== undefined && test(before, after);
}

function withinLimit(facts: ChangeFacts, limit: PropertyValue | undefined): boolean {
  const maximum = numberOf(limit) ?? numberOf(facts.before);
  const after = numberOf(facts.after);
  return after !== undefined && maximum !== undefined && after <= maximum;
}

/** The first interface is the machine's own way to everything. */
function isFirstInterface(item: PropertyMap, inputs: PropertyMap): boolean {
  const [first] = isArray(inputs.interfaces) ? inputs.interfaces : [];
  return !isObject(first) || first.mac === item.mac;
}

/** What each condition means. An unknown new value meets only `otherwise`, and `set` where there was none. */
export const conditions: Readonly<Record<Condition, (facts: ChangeFacts) => boolean>> = {
  grow: (facts) => compareNumbers(facts, (before, after) => after > before),
  shrink: (facts) => compareNumbers(facts, (before, after) => after < before),
  set: (facts) => facts.before === undefined && facts.after !== undefined,
  unset: (facts) => facts.before !== undefined && facts.after === undefined,
  added: (facts) => Object.keys(facts.itemBefore).length === 0 && Object.keys(facts.itemAfter).length > 0,
  removedFurther: (facts) =>
    Object.keys(facts.itemAfter).length === 0 && !isFirstInterface(facts.itemBefore, facts.olds),
  turnedOn: (facts) => facts.before !== true && facts.after === true,
  withinMaxVcpus: (facts) =>
    compareNumbers(facts, (before, after) => after > before) && withinLimit(facts, facts.olds.maxVcpus),
  withinBalloon: (facts) => {
    const devices = facts.olds.hostDevices;
    const pinned = isArray(devices) && devices.length > 0;
    return !pinned && withinLimit(facts, facts.olds.maxMemoryMiB);
  },
  addedDisk: (facts) => conditions.added(facts) && !isCdrom(facts.itemAfter),
  seed: (facts) => (isSeed(facts.itemAfter) || isSeed(facts.itemBefore)) && hasRootDisk(facts.news),
  sameAccess: (facts) => isReadOnly(facts.itemBefore) === isReadOnly(facts.itemAfter),
  instance: (facts) => otherInstance(facts) && hasRootDisk(facts.news),
  sameHost: (facts) =>
    typeof facts.before === "string" &&
    typeof facts.after === "string" &&
    sameTarget(facts.before, facts.after),
  otherwise: () => true,
};
