import type { NetworkFunctions } from "./api.ts";
import { affectFlags, nameInXml, orAbsent } from "./domain-functions.ts";
import * as names from "./names.ts";
import type { Caller } from "./procedure.ts";
import { network as procedures } from "./procedures/network.ts";
import type { CallOptions, NetworkRef } from "./types.ts";

const metadataElement = 2;

export function networkFunctions(caller: Caller): NetworkFunctions {
  const on = (operation: string, ref: NetworkRef, options: CallOptions | undefined) =>
    about(operation, `network ${ref.name}`, options);
  const about = (operation: string, target: string, options: CallOptions | undefined) => ({
    ...options,
    operation,
    target,
  });
  return {
    networkLookupByName: (name, options) =>
      orAbsent(
        caller.call(procedures.lookupByName, name, about("networkLookupByName", `network ${name}`, options)),
      ),
    networkLookupByUuid: (uuid, options) =>
      orAbsent(
        caller.call(procedures.lookupByUuid, uuid, about("networkLookupByUuid", `network ${uuid}`, options)),
      ),
    networkList: (options) => {
      const flags = (options?.inactive ? 1 : 0) | (options?.active ? 2 : 0);
      return caller.call(procedures.list, flags, about("networkList", "", options));
    },
    networkDefineXml: (xml, options) => {
      const args = { xml, flags: (options?.validate ?? true) ? 1 : 0 };
      return caller.call(
        procedures.defineXml,
        args,
        about("networkDefineXml", nameInXml("network", xml), options),
      );
    },
    networkCreate: (ref, options) => caller.call(procedures.create, ref, on("networkCreate", ref, options)),
    networkDestroy: (ref, options) =>
      caller.call(procedures.destroy, ref, on("networkDestroy", ref, options)),
    networkUndefine: (ref, options) =>
      caller.call(procedures.undefine, ref, on("networkUndefine", ref, options)),
    networkGetXmlDesc: (network, options) => {
      const args = { network, flags: options?.inactive ? 1 : 0 };
      return caller.call(procedures.getXmlDesc, args, on("networkGetXmlDesc", network, options));
    },
    networkSetAutostart: (network, autostart, options) =>
      caller.call(
        procedures.setAutostart,
        { network, autostart },
        on("networkSetAutostart", network, options),
      ),
    networkGetAutostart: (ref, options) =>
      caller.call(procedures.getAutostart, ref, on("networkGetAutostart", ref, options)),
    networkIsActive: (ref, options) =>
      caller.call(procedures.isActive, ref, on("networkIsActive", ref, options)),
    networkUpdate: async (network, command, section, parentIndex, xml, options) => {
      const args = {
        network,
        command: names.updateCommands[command],
        section: names.updateSections[section],
        parentIndex,
        xml,
        flags: affectFlags(options),
      };
      await caller.call(procedures.update, args, on(`networkUpdate ${command} ${section}`, network, options));
    },
    networkGetDhcpLeases: (network, options) =>
      caller.call(
        procedures.getDhcpLeases,
        { network, mac: options?.mac },
        on("networkGetDhcpLeases", network, options),
      ),
    networkSetMetadata: async (network, { uri, key, xml }, options) => {
      const args = {
        network,
        type: metadataElement,
        metadata: xml,
        key,
        uri,
        flags: affectFlags(options),
      };
      await caller.call(procedures.setMetadata, args, on("networkSetMetadata", network, options));
    },
    networkGetMetadata: (network, uri, options) => {
      const live = options?.live ?? false;
      const flags = affectFlags({ live, config: options?.config ?? !live });
      const args = { network, type: metadataElement, uri, flags };
      return orAbsent(caller.call(procedures.getMetadata, args, on("networkGetMetadata", network, options)));
    },
  };
}
