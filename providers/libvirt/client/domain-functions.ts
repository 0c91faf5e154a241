import type { DomainFunctions } from "./api.ts";
import { isNotFound } from "./errors.ts";
import * as names from "./names.ts";
import type { Caller } from "./procedure.ts";
import { agentCommand, domain as procedures } from "./procedures/domain.ts";
import type { Affect, CallOptions, DomainRef } from "./types.ts";
import { maximum } from "./wire.ts";

const createTimeoutMs = 600_000;
const metadataElement = 2;

/** Flags live and config; both false would let the daemon choose, which nobody should. */
export function affectFlags(affect: Affect): number {
  const flags = (affect.live ? 1 : 0) | (affect.config ? 2 : 0);
  if (flags === 0) throw new TypeError("say what the change applies to: live, config or both");
  return flags;
}

/** The absent of a lookup: undefined only if the daemon said so. */
export async function orAbsent<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Bits of host CPUs, the lowest first. */
export function cpuMap(cpus: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...cpus);
  const map = new Uint8Array(Math.floor(highest / 8) + 1);
  for (const cpu of cpus) {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= maximum.cpuMap * 8) {
      throw new TypeError(`${cpu} is not the number of a host CPU`);
    }
    map[cpu >> 3] = (map[cpu >> 3] ?? 0) | (1 << (cpu & 7));
  }
  return map;
}

const bit = (wanted: boolean | undefined, value: number): number => (wanted ? value : 0);

export function domainFunctions(caller: Caller): DomainFunctions {
  const on = (operation: string, ref: DomainRef, options: CallOptions | undefined) => ({
    ...options,
    operation,
    target: `domain ${ref.name}`,
  });
  const about = (operation: string, target: string, options: CallOptions | undefined) => ({
    ...options,
    operation,
    target,
  });
  return {
    ...changes(caller, on),
    domainDefineXml: (xml, options) =>
      caller.call(
        procedures.defineXml,
        { xml, flags: bit(options?.validate ?? true, 1) },
        about("domainDefineXml", nameInXml("domain", xml), options),
      ),
    domainLookupByName: (name, options) =>
      orAbsent(
        caller.call(procedures.lookupByName, name, about("domainLookupByName", `domain ${name}`, options)),
      ),
    domainLookupByUuid: (uuid, options) =>
      orAbsent(
        caller.call(procedures.lookupByUuid, uuid, about("domainLookupByUuid", `domain ${uuid}`, options)),
      ),
    domainGetXmlDesc: (domain, options) => {
      const flags = bit(options?.secure, 1) | bit(options?.inactive, 2);
      return caller.call(procedures.getXmlDesc, { domain, flags }, on("domainGetXmlDesc", domain, options));
    },
    domainGetState: async (domain, options) => {
      const context = on("domainGetState", domain, options);
      const { state, reason } = await caller.call(procedures.getState, { domain, flags: 0 }, context);
      return names.domainStateInfo(state, reason);
    },
    domainGetInfo: async (domain, options) => {
      const info = await caller.call(procedures.getInfo, domain, on("domainGetInfo", domain, options));
      return { ...info, state: names.domainState(info.state) };
    },
    domainList: (options) =>
      caller.call(
        procedures.list,
        bit(options?.active, 1) | bit(options?.inactive, 2) | bit(options?.autostart, 1 << 10),
        about("domainList", "", options),
      ),
    domainGetMetadata: (domain, uri, options) => {
      const flags = affectFlags({
        live: options?.live ?? false,
        config: options?.config ?? !(options?.live ?? false),
      });
      const args = { domain, type: metadataElement, uri, flags };
      return orAbsent(caller.call(procedures.getMetadata, args, on("domainGetMetadata", domain, options)));
    },
    domainGetAutostart: (domain, options) =>
      caller.call(procedures.getAutostart, domain, on("domainGetAutostart", domain, options)),
    domainInterfaceAddresses: (domain, source, options) =>
      caller.call(
        procedures.interfaceAddresses,
        { domain, source: names.addressSources[source], flags: 0 },
        on("domainInterfaceAddresses", domain, options),
      ),
    domainHasManagedSave: (domain, options) =>
      caller.call(
        procedures.hasManagedSave,
        { domain, flags: 0 },
        on("domainHasManagedSave", domain, options),
      ),
    domainGetDiskErrors: async (domain, options) => {
      const context = on("domainGetDiskErrors", domain, options);
      // Asked for none, the daemon tells how many there may be.
      const { count } = await caller.call(procedures.getDiskErrors, { domain, count: 0, flags: 0 }, context);
      if (count === 0) return [];
      const limit = Math.min(count, maximum.diskErrors);
      const args = { domain, count: limit, flags: 0 };
      return (await caller.call(procedures.getDiskErrors, args, context)).errors;
    },
    qemuAgentCommand: async (domain, command, timeoutSeconds, options) => {
      const context = {
        timeoutMs: (timeoutSeconds + 10) * 1000,
        ...on("qemuAgentCommand", domain, options),
      };
      return (await caller.call(agentCommand, { domain, command, timeoutSeconds }, context)) ?? "";
    },
  };
}

type Changes = Pick<
  DomainFunctions,
  | "domainCreate"
  | "domainShutdown"
  | "domainDestroy"
  | "domainUndefine"
  | "domainSuspend"
  | "domainResume"
  | "domainPmWakeup"
  | "domainReset"
  | "domainSetMetadata"
  | "domainSetVcpus"
  | "domainSetMemory"
  | "domainAttachDevice"
  | "domainDetachDevice"
  | "domainUpdateDevice"
  | "domainSetAutostart"
  | "domainBlockResize"
  | "domainPinVcpu"
  | "domainPinEmulator"
>;

type Context = (
  operation: string,
  ref: DomainRef,
  options: CallOptions | undefined,
) => CallOptions & { operation: string; target: string };

function changes(caller: Caller, on: Context): Changes {
  return {
    domainCreate: (domain, options) => {
      const args = { domain, flags: bit(options?.paused, 1) };
      const context = { timeoutMs: createTimeoutMs, ...on("domainCreate", domain, options) };
      return caller.call(procedures.create, args, context);
    },
    domainShutdown: (domain, options) => {
      const args = { domain, flags: names.shutdownFlags[options?.mode ?? "default"] };
      return caller.call(procedures.shutdown, args, on("domainShutdown", domain, options));
    },
    domainDestroy: (domain, options) => {
      const args = { domain, flags: bit(options?.graceful, 1) };
      return caller.call(procedures.destroy, args, on("domainDestroy", domain, options));
    },
    domainUndefine: (domain, options) => {
      const flags =
        bit(options?.managedSave, 1) |
        bit(options?.snapshotsMetadata, 2) |
        bit(options?.nvram === true, 4) |
        bit(options?.nvram === false, 8) |
        bit(options?.checkpointsMetadata, 16) |
        bit(options?.tpm === true, 32) |
        bit(options?.tpm === false, 64);
      return caller.call(procedures.undefine, { domain, flags }, on("domainUndefine", domain, options));
    },
    domainSuspend: (domain, options) =>
      caller.call(procedures.suspend, domain, on("domainSuspend", domain, options)),
    domainResume: (domain, options) =>
      caller.call(procedures.resume, domain, on("domainResume", domain, options)),
    domainPmWakeup: (domain, options) =>
      caller.call(procedures.pmWakeup, { domain, flags: 0 }, on("domainPmWakeup", domain, options)),
    domainReset: (domain, options) =>
      caller.call(procedures.reset, { domain, flags: 0 }, on("domainReset", domain, options)),
    domainSetMetadata: async (domain, { uri, key, xml }, options) => {
      const args = {
        domain,
        type: metadataElement,
        metadata: xml,
        key,
        uri,
        flags: affectFlags(options),
      };
      await caller.call(procedures.setMetadata, args, on("domainSetMetadata", domain, options));
    },
    domainSetVcpus: async (domain, vcpus, options) => {
      const flags = affectFlags(options) | bit(options.maximum, 4) | bit(options.guest, 8);
      await caller.call(procedures.setVcpus, { domain, vcpus, flags }, on("domainSetVcpus", domain, options));
    },
    domainSetMemory: async (domain, memoryKiB, options) => {
      const args = { domain, memoryKiB, flags: affectFlags(options) | bit(options.maximum, 4) };
      await caller.call(procedures.setMemory, args, on("domainSetMemory", domain, options));
    },
    domainAttachDevice: async (domain, xml, options) => {
      const args = { domain, xml, flags: affectFlags(options) };
      await caller.call(procedures.attachDevice, args, on("domainAttachDevice", domain, options));
    },
    domainDetachDevice: async (domain, xml, options) => {
      const args = { domain, xml, flags: affectFlags(options) };
      await caller.call(procedures.detachDevice, args, on("domainDetachDevice", domain, options));
    },
    domainUpdateDevice: async (domain, xml, options) => {
      const args = { domain, xml, flags: affectFlags(options) | bit(options.force, 4) };
      await caller.call(procedures.updateDevice, args, on("domainUpdateDevice", domain, options));
    },
    domainSetAutostart: (domain, autostart, options) =>
      caller.call(procedures.setAutostart, { domain, autostart }, on("domainSetAutostart", domain, options)),
    domainBlockResize: (domain, disk, bytes, options) => {
      const sizeInBytes = 1;
      const args = { domain, disk, size: bytes, flags: sizeInBytes };
      return caller.call(procedures.blockResize, args, on("domainBlockResize", domain, options));
    },
    domainPinVcpu: async (domain, vcpu, cpus, options) => {
      const args = { domain, vcpu, cpuMap: cpuMap(cpus), flags: affectFlags(options) };
      await caller.call(procedures.pinVcpu, args, on("domainPinVcpu", domain, options));
    },
    domainPinEmulator: async (domain, cpus, options) => {
      const args = { domain, cpuMap: cpuMap(cpus), flags: affectFlags(options) };
      await caller.call(procedures.pinEmulator, args, on("domainPinEmulator", domain, options));
    },
  };
}

/** What a definition is about, for messages: the first name in it. */
export function nameInXml(kind: string, xml: string): string {
  const name = /<name>([^<]{1,200})<\/name>/.exec(xml)?.[1];
  return name === undefined ? `a new ${kind}` : `${kind} ${name}`;
}
