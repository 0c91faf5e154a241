/** Pure and seeded: which fault comes in which phase of the life cycle, and at which moment. */
import { createHash } from "node:crypto";

/** The life cycle of the campaign's lab, in the order in which it runs. */
export const phases = ["create", "scale", "rebuild", "resize", "destroy"] as const;
export type Phase = (typeof phases)[number];

export const faults = [
  "kill engine",
  "kill provider",
  "restart libvirtd",
  "cut ssh",
  "fill disk",
  "pause guest",
] as const;
export type Fault = (typeof faults)[number];

/** An event on the way between provider and host that tells when the fault comes, however fast the machine is. */
export interface Moment {
  /** What the host is asked for, for example `domain create`, or `volume content`: a piece of what is uploaded. */
  readonly call: string;
  /** Which one of these in the phase, from 1. */
  readonly nth: number;
  /** `asked`: nothing of it has happened. `done`: the host has done it, and nobody knows. */
  readonly side: "asked" | "done";
}

/** How often each call came in a phase without a fault. */
export type Trace = ReadonlyMap<string, number>;

export interface Point {
  /** From 1; the point of a seed with this number is always the same. */
  readonly number: number;
  readonly phase: Phase;
  readonly fault: Fault;
  readonly when: Moment;
}

/** A guest is paused while it is waited for. */
const waits = new Map<string, readonly Moment["side"][]>([
  ["domain create", ["done"]],
  ["domain shutdown", ["asked", "done"]],
]);

/** Every moment of a phase at which the fault makes sense. */
export function momentsFor(fault: Fault, trace: Trace): Moment[] {
  return [...trace].flatMap(([call, times]) =>
    sidesOf(fault, call).flatMap((side) => doubling(times).map((nth) => ({ call, nth, side }))),
  );
}

function sidesOf(fault: Fault, call: string): readonly Moment["side"][] {
  if (fault === "pause guest") return waits.get(call) ?? [];
  // Nothing answers to a piece.
  return call === "volume content" ? ["asked"] : ["asked", "done"];
}

/** 1, 2, 4 and so on: otherwise most points would lie in uploads. */
function doubling(times: number): number[] {
  const numbers: number[] = [];
  for (let nth = 1; nth <= times; nth *= 2) numbers.push(nth);
  return numbers;
}

/** Phase and fault of the first `count` points; each pair comes once before one comes again. */
export function faultPairs(seed: number, count: number): Pick<Point, "number" | "phase" | "fault">[] {
  const order = drawn(seed, "faults", faults, (fault) => fault);
  return Array.from({ length: count }, (_, index) => {
    const column = index % phases.length;
    const round = Math.floor(index / phases.length);
    // Each phase goes through all faults, and the first six points have them all.
    const row = (((column - round) % order.length) + order.length) % order.length;
    return { number: index + 1, phase: at(phases, column), fault: at(order, row) };
  });
}

/**
 * The points of a seed. Those of a smaller `count` are the first of a larger one's.
 * @throws Error where a phase without a fault showed no moment for one.
 */
export function faultPlan(seed: number, count: number, traces: Readonly<Record<Phase, Trace>>): Point[] {
  const orders = new Map<string, { readonly moments: readonly Moment[]; taken: number }>();
  return faultPairs(seed, count).map((pair) => {
    const key = `${pair.phase}: ${pair.fault}`;
    const order = orders.get(key) ?? { moments: orderOf(seed, key, pair, traces), taken: 0 };
    orders.set(key, order);
    const when = at(order.moments, order.taken % order.moments.length);
    order.taken += 1;
    return { ...pair, when };
  });
}

function orderOf(
  seed: number,
  key: string,
  { phase, fault }: Pick<Point, "phase" | "fault">,
  traces: Readonly<Record<Phase, Trace>>,
): readonly Moment[] {
  const moments = momentsFor(fault, traces[phase]);
  if (moments.length === 0) throw new Error(`${key}: a run without a fault has no moment for it`);
  return drawn(seed, key, moments, ({ call, nth, side }) => `${call} ${nth} ${side}`);
}

/** The point in words, without its number. */
export function describePoint({ phase, fault, when }: Point): string {
  return `${phase}: ${fault} when "${when.call}" is ${when.side} (${when.nth})`;
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`there is no entry ${index}`);
  return found;
}

/**
 * The list in an order that looks random. Each entry has a number of its own from seed, purpose and name: where a run
 * called something once more or less, the others keep their order, so a point stays what it was.
 */
function drawn<T>(seed: number, purpose: string, list: readonly T[], nameOf: (entry: T) => string): T[] {
  return list
    .map((entry) => ({
      entry,
      rank: createHash("sha256")
        .update(`${seed} ${purpose} ${nameOf(entry)}`)
        .digest("hex"),
    }))
    .sort((left, right) => (left.rank < right.rank ? -1 : 1))
    .map(({ entry }) => entry);
}
