import { isDeepStrictEqual } from "node:util";
import {
  containsSecret,
  containsUnknown,
  isObject,
  type PropertyMap,
  reveal,
} from "../../../../plugin/values.ts";
import { type Change, changesOf, decodeInputs, type Effect, worstEffect } from "../../../schema/index.ts";
import { definitionOf } from "../definition.ts";
import { toProperties } from "../properties.ts";
import type { Facts } from "./facts.ts";
import { describePlan } from "./line.ts";

/**
 * What happens to a machine.
 *
 * `record`: only waits and permits change, nothing on the host. `redefine`: changed while it is off. `continue`: an
 * earlier run ended before the machine was ready. `recover`: the definition or the root disk is gone and is made again.
 */
export type Action =
  | "nothing"
  | "record"
  | "live"
  | "continue"
  | "start"
  | "resume"
  | "redefine"
  | "recover"
  | "stop"
  | "restart"
  | "rebuild"
  | "replace"
  | "forbidden";

/** The change of one machine: preview shows it, Diff reports it, Update carries it out. */
export interface DomainPlan {
  readonly action: Action;
  /** Changed inputs in the order of the effects table. */
  readonly changes: readonly Change[];
  /** The running guest goes down. */
  readonly stops: boolean;
  /** A new definition is written. */
  readonly defines: boolean;
  /** A new root overlay is made. */
  readonly newRootDisk: boolean;
  /** The machine is started (or resumed) and waited for. */
  readonly starts: boolean;
  /** One line for people. */
  readonly line: string;
}

/** How much an action may hurt; an update refuses to do more than was previewed. */
const weights: Readonly<Record<Action, number>> = {
  nothing: 0,
  record: 0,
  continue: 1,
  live: 1,
  start: 1,
  resume: 1,
  redefine: 1,
  recover: 2,
  stop: 3,
  restart: 3,
  rebuild: 4,
  replace: 5,
  forbidden: 6,
};

/** True when carrying out `now` would do more to the machine than `previewed` said. */
export function isHeavier(now: DomainPlan, previewed: DomainPlan): boolean {
  return weights[now.action] > weights[previewed.action];
}

/**
 * The plan for a machine with inputs `olds` (as the host was read, or as recorded) that shall have inputs `news`.
 * Pure: the same arguments give the same plan. Unknown new values count as changes.
 */
export function planDomain(recorded: PropertyMap, news: PropertyMap, facts: Facts): DomainPlan {
  const olds = withLiveSizes(recorded, news, facts);
  // The envelopes of secrets are needed only here: where one is among the inputs, no value is shown.
  const changes = declaredChanges(olds, news);
  const plain = { olds: reveal(olds), news: reveal(news) };
  const shape = withOwnRoot(decide(changes, plain.news, facts), facts);
  const hidden = containsSecret(olds) || containsSecret(news);
  return { ...shape, changes, line: describePlan({ ...shape, changes }, plain, facts, hidden) };
}

/**
 * The inputs with the running guest's sizes, where the definition is as wanted already and the guest is not. Which of
 * the two is shown depends on what is wanted, never on what was read before: every refresh gives the same.
 */
function withLiveSizes(olds: PropertyMap, news: PropertyMap, facts: Facts): PropertyMap {
  if (facts.power !== "running") return olds;
  const differing = (["vcpus", "memoryMiB"] as const).flatMap((size) => {
    const now = facts.live?.[size];
    const limit = following[size];
    if (now === undefined || limit === undefined || olds[size] !== news[size] || now === news[size])
      return [];
    // A limit that follows from the size stays what it is.
    return [{ [limit]: olds[limit] ?? olds[size], [size]: now }];
  });
  return Object.assign({}, olds, ...differing);
}

/** Limits whose default is another field. */
const following: Readonly<Record<string, string>> = { vcpus: "maxVcpus", memoryMiB: "maxMemoryMiB" };

/**
 * Changes without the power state's own, which the facts decide about. A limit that nobody wrote down is not mentioned
 * beside the size that it follows; the size then has the limit's effect.
 */
function declaredChanges(olds: PropertyMap, news: PropertyMap): readonly Change[] {
  // So it is for nearly all of a thousand machines; what is not known yet counts as changed.
  if (isDeepStrictEqual(olds, news) && !containsUnknown(news)) return [];
  const equal = equalMembers(olds, news);
  const all = changesOf("Domain", withFollowing(olds), withFollowing(news)).filter(
    (change) => !equal.has(/^\w+/.exec(change.path)?.[0] ?? ""),
  );
  const silent = Object.values(following).filter(
    (limit) => olds[limit] === undefined && news[limit] === undefined,
  );
  return all.flatMap((change) => {
    if (change.path === "running" || silent.includes(change.path)) return [];
    const limit = following[change.path];
    const moved = limit !== undefined && silent.includes(limit) && all.some(({ path }) => path === limit);
    if (!moved) return [change];
    const { because: _because, ...rest } = change;
    return [{ ...rest, effect: "restart" }];
  });
}

/** With what follows from other fields or is a default, so that leaving it out and writing it down are the same. */
function withFollowing(inputs: PropertyMap): PropertyMap {
  return {
    ...inputs,
    maxVcpus: inputs.maxVcpus ?? inputs.vcpus,
    maxMemoryMiB: inputs.maxMemoryMiB ?? inputs.memoryMiB,
    stop: inputs.stop ?? {},
    quiesce: inputs.quiesce ?? {},
    ready: inputs.ready ?? {},
  };
}

/** Members that are written differently and mean the same. None while a value is not known. */
function equalMembers(olds: PropertyMap, news: PropertyMap): ReadonlySet<string> {
  if (containsUnknown(olds) || containsUnknown(news)) return new Set();
  const [before, after] = [reveal(olds), reveal(news)].map((inputs) =>
    toProperties(definitionOf(decodeInputs("Domain", inputs))),
  );
  const keys = Object.keys({ ...olds, ...news }).filter((key) => !policies.has(key));
  return new Set(keys.filter((key) => isDeepStrictEqual(before?.[key], after?.[key])));
}

/** Inputs that the guest is told through its agent, beside its first SSH host key. */
const identityInputs: readonly string[] = ["sshHostKeyGeneration", "loginPublicKey"];

/** True where the guest is to take other keys. */
export function changesIdentity({ changes }: Pick<DomainPlan, "changes">): boolean {
  return changes.some(({ effect, path }) => effect !== "none" && identityInputs.includes(path));
}

/** Inputs that are no part of a definition. */
const policies = new Set([
  "running",
  "deriveSshHostKey",
  ...identityInputs,
  "stop",
  "quiesce",
  "ready",
  "rolloutGroup",
  "maxUnavailable",
]);

/** True where a change is in the domain's XML: sizes of disks, autostart and what the guest is told are not. */
function writesDefinition(changes: readonly Change[]): boolean {
  return changes.some(
    ({ effect, path }) =>
      effect !== "none" &&
      path !== "autostart" &&
      !identityInputs.includes(path) &&
      !path.startsWith("rootDisk."),
  );
}

type Shape = Omit<DomainPlan, "changes" | "line">;

const shape = (action: Action, over: Partial<Omit<Shape, "action">> = {}): Shape => ({
  action,
  stops: false,
  defines: false,
  newRootDisk: false,
  starts: false,
  ...over,
});

/** A machine whose root disk is not its own would lose what is on that disk. */
function withOwnRoot(decided: Shape, facts: Facts): Shape {
  const touched = decided.defines || decided.newRootDisk || decided.action === "replace";
  return facts.foreignRoot !== undefined && touched ? shape("forbidden") : decided;
}

function decide(changes: readonly Change[], news: PropertyMap, facts: Facts): Shape {
  const effect: Effect = worstEffect(changes);
  const on = facts.power === "running" || facts.power === "paused" || facts.power === "ioerror";
  if (effect === "forbidden") return shape(effect);
  if (effect === "replace") return shape(effect, { stops: on });
  // A hold leaves the power state to whoever placed it: what is off stays off, what runs goes on.
  const held = facts.hold !== undefined && facts.power !== "undefined";
  const wanted = held ? on : news.running !== false;
  const lostDisk = facts.rootDiskMissing && isObject(news.rootDisk);
  const heavy = effect === "restart" || effect === "rebuild" || lostDisk;

  if (facts.power === "undefined") {
    return shape("recover", { defines: true, newRootDisk: lostDisk || effect === "rebuild", starts: wanted });
  }
  if (on && !wanted) {
    return shape("stop", {
      stops: true,
      defines: heavy || writesDefinition(changes),
      newRootDisk: lostDisk || effect === "rebuild",
    });
  }
  if (effect === "rebuild" || lostDisk) {
    return shape("rebuild", { stops: on, defines: true, newRootDisk: true, starts: wanted });
  }
  if (effect === "restart") {
    return on
      ? shape("restart", { stops: true, defines: true, starts: true })
      : shape("redefine", { defines: true, starts: wanted });
  }
  const defines = writesDefinition(changes);
  if (wanted && !on) return shape("start", { defines, starts: true });
  if (!held && (facts.power === "paused" || facts.power === "ioerror"))
    return shape("resume", { defines, starts: true });
  if (!held && facts.pending !== undefined && wanted) return shape("continue", { defines, starts: true });
  if (effect === "live" || facts.entriesMissing) return shape("live", { defines });
  return shape(changes.length > 0 ? "record" : "nothing");
}
