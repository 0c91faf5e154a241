import { read } from "../procedure.ts";
import type { DomainRef } from "../types.ts";
import { readDomain, writeDomain } from "../wire.ts";
import type { XdrReader } from "../xdr.ts";

/** Numbers of the kinds of events (virDomainEventID). */
export const eventId = { lifecycle: 0, reboot: 1, ioError: 6, agentLifecycle: 18 } as const;

/** Numbers of the messages that carry events. */
export const eventMessage = { lifecycle: 318, reboot: 319, ioError: 324, agentLifecycle: 348 } as const;

/** Registration of events. It changes nothing but what this connection is told. */
export const events = {
  register: read(
    316,
    (writer, args: { event: number; domain: DomainRef | undefined }) => {
      writer.int(args.event);
      writer.optional(args.domain, writeDomain);
    },
    (reader) => reader.int(),
  ),
  deregister: read(
    317,
    (writer, callback: number) => writer.int(callback),
    () => undefined,
  ),
};

export function readLifecycle(reader: XdrReader) {
  return { domain: readDomain(reader), event: reader.int(), detail: reader.int() };
}

export function readReboot(reader: XdrReader) {
  return { domain: readDomain(reader) };
}

export function readIoError(reader: XdrReader) {
  return {
    domain: readDomain(reader),
    path: reader.string(),
    device: reader.string(),
    action: reader.int(),
    reason: reader.string(),
  };
}

export function readAgentLifecycle(reader: XdrReader) {
  return { domain: readDomain(reader), state: reader.int(), reason: reader.int() };
}
