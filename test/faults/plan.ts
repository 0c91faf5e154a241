/** Pure and seeded: which fault comes in which phase of the life cycle, and at which moment. */

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

/** Pieces of content that are told apart at most: otherwise most points would lie in uploads. */
const differentTimes = 6;

/** A guest is paused while it is waited for. */
const waits = new Map<string, readonly Moment["side"][]>([
  ["domain create", ["done"]],
  ["domain shutdown", ["asked", "done"]],
]);

/** Every moment of a phase at which the fault makes sense, in an order that depends on the trace's content only. */
export function momentsFor(fault: Fault, trace: Trace): Moment[] {
  return [...trace.entries()]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .flatMap(([call, times]) =>
      sidesOf(fault, call).flatMap((side) => spread(times).map((nth) => ({ call, nth, side }))),
    );
}

function sidesOf(fault: Fault, call: string): readonly Moment["side"][] {
  if (fault === "pause guest") return waits.get(call) ?? [];
  // Nothing answers to a piece.
  return call === "volume content" ? ["asked"] : ["asked", "done"];
}

function spread(times: number): number[] {
  const count = Math.min(times, differentTimes);
  return Array.from({ length: count }, (_, index) => 1 + Math.floor((index * times) / count));
}

/** Phase and fault of the first `count` points; each pair comes once before one comes again. */
export function faultPairs(seed: number, count: number): Pick<Point, "number" | "phase" | "fault">[] {
  const order = shuffled(faults, random(seed, "faults"));
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
  const drawn = new Map<string, number>();
  return faultPairs(seed, count).map((pair) => {
    const key = `${pair.phase}: ${pair.fault}`;
    const moments = shuffled(momentsFor(pair.fault, traces[pair.phase]), random(seed, key));
    if (moments.length === 0) throw new Error(`${key}: a run without a fault has no moment for it`);
    const before = drawn.get(key) ?? 0;
    drawn.set(key, before + 1);
    return { ...pair, when: at(moments, before % moments.length) };
  });
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

/** Fisher and Yates. */
function shuffled<T>(list: readonly T[], next: () => number): T[] {
  const rest = [...list];
  const result: T[] = [];
  while (rest.length > 0) result.push(...rest.splice(Math.floor(next() * rest.length), 1));
  return result;
}

/** Numbers from 0 to below 1 that depend on seed and purpose only (a hash by FNV-1a, then mulberry32). */
function random(seed: number, purpose: string): () => number {
  let state = 0x811c9dc5 ^ seed;
  for (const byte of Buffer.from(purpose)) state = Math.imul(state ^ byte, 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
