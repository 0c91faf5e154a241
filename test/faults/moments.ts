/** Moments of a plan as the gate between provider and host sees them. */
import { type MessageHeader, messageStatus, messageType } from "../../providers/libvirt/client/message.ts";
import { domain } from "../../providers/libvirt/client/procedures/domain.ts";
import { network } from "../../providers/libvirt/client/procedures/network.ts";
import { storagePool, storageVol } from "../../providers/libvirt/client/procedures/storage.ts";
import type { Moment as GateMoment } from "../support/libvirt-gate.ts";
import type { Moment, Trace } from "./plan.ts";

/** Calls that change something on the host; how often is asked for its state depends on how long things take. */
const changes = new Map(
  Object.entries({ domain, network, pool: storagePool, volume: storageVol }).flatMap(([kind, procedures]) =>
    Object.entries(procedures)
      .filter(([, { readOnly }]) => !readOnly)
      .map(([name, { number }]) => [number, `${kind} ${name}`] as const),
  ),
);

/** A machine that is slow to go off is asked again, and volumes that are removed at one time share a look at their pool. */
const onceOnly = new Set(["domain shutdown", "pool refresh"]);

function eventOf({ type, status, procedure }: MessageHeader): Omit<Moment, "nth"> | undefined {
  if (type === messageType.stream) {
    return status === messageStatus.continue ? { call: "volume content", side: "asked" } : undefined;
  }
  const call = changes.get(procedure);
  if (call === undefined) return undefined;
  if (type === messageType.call) return { call, side: "asked" };
  return type === messageType.reply ? { call, side: "done" } : undefined;
}

/** Counts what passes the gate and never closes it. */
export class TraceRecorder {
  readonly #seen = new Map<string, number>();

  readonly moment: GateMoment = (header) => {
    const event = eventOf(header);
    if (event?.side === "asked") {
      const times = onceOnly.has(event.call) ? 1 : (this.#seen.get(event.call) ?? 0) + 1;
      this.#seen.set(event.call, times);
    }
    return false;
  };

  get trace(): Trace {
    return this.#seen;
  }
}

/** The moment for the gate; good for one run. */
export function gateMoment({ call, nth, side }: Moment): GateMoment {
  let count = 0;
  return (header) => {
    const event = eventOf(header);
    if (event?.call !== call || event.side !== side) return false;
    count += 1;
    return count === nth;
  };
}

/** Counts how often the host is asked what a machine does, and never closes the gate. */
export class QuestionCounter {
  count = 0;
  readonly moment: GateMoment = ({ type, procedure }) => {
    if (type === messageType.call && procedure === domain.getState.number) this.count += 1;
    return false;
  };
}
