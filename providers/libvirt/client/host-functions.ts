import type { HostFunctions } from "./api.ts";
import * as names from "./names.ts";
import type { Caller } from "./procedure.ts";
import { host as procedures } from "./procedures/host.ts";
import type { CallOptions } from "./types.ts";

/** Number that means all NUMA cells. */
const allCells = -1;

export function hostFunctions(caller: Caller): HostFunctions {
  const about = (operation: string, options: CallOptions | undefined, target = "") => ({
    ...options,
    operation,
    target,
  });
  return {
    getCapabilities: (options) =>
      caller.call(procedures.getCapabilities, undefined, about("getCapabilities", options)),
    getDomainCapabilities: (query, options) => {
      const args = {
        emulator: query?.emulator,
        arch: query?.arch,
        machine: query?.machine,
        virttype: query?.virttype,
      };
      return caller.call(procedures.getDomainCapabilities, args, about("getDomainCapabilities", options));
    },
    nodeGetInfo: (options) => caller.call(procedures.nodeGetInfo, undefined, about("nodeGetInfo", options)),
    nodeGetMemoryStats: async (options) => {
      const cell = options?.cell ?? allCells;
      const context = about("nodeGetMemoryStats", options);
      // Asked for none, the daemon tells how many there are.
      const { count } = await caller.call(procedures.nodeGetMemoryStats, { count: 0, cell }, context);
      const { stats } = await caller.call(procedures.nodeGetMemoryStats, { count, cell }, context);
      return Object.fromEntries(stats.map(({ field, value }) => [field, value]));
    },
    nodeGetFreePages: async (query, options) => {
      const context = about("nodeGetFreePages", options);
      const counts = await caller.call(procedures.nodeGetFreePages, query, context);
      const sizes = query.pageSizesKiB;
      return counts.map((free, index) => ({
        cell: query.startCell + Math.floor(index / sizes.length),
        pageSizeKiB: sizes[index % sizes.length] ?? 0,
        free,
      }));
    },
    getHostname: (options) => caller.call(procedures.getHostname, undefined, about("getHostname", options)),
    getLibVersion: (options) =>
      caller.call(procedures.getLibVersion, undefined, about("getLibVersion", options)),
    getVersion: (options) => caller.call(procedures.getVersion, undefined, about("getVersion", options)),
    getType: (options) => caller.call(procedures.getType, undefined, about("getType", options)),
    getUri: (options) => caller.call(procedures.getUri, undefined, about("getUri", options)),
    getSysinfo: (options) => caller.call(procedures.getSysinfo, 0, about("getSysinfo", options)),
    nodeDeviceList: async (options) => {
      const capability = options?.capability;
      const flags = capability === undefined ? 0 : names.deviceCapabilityFlag(capability);
      if (flags === undefined) throw new TypeError(`libvirt knows no node device capability "${capability}"`);
      return await caller.call(procedures.nodeDeviceList, flags, about("nodeDeviceList", options));
    },
    networkFilterList: (options) =>
      caller.call(procedures.networkFilterList, undefined, about("networkFilterList", options)),
    nodeDeviceGetXmlDesc: (ref, options) =>
      caller.call(
        procedures.nodeDeviceGetXmlDesc,
        ref.name,
        about("nodeDeviceGetXmlDesc", options, `node device ${ref.name}`),
      ),
  };
}
