import type { DomainSnapshot } from "../../context.ts";
import { at, attribute, child, childrenOf, parseXml } from "../../xml/index.ts";

/** A network as far as its guests are concerned. */
export interface AttachPoint {
  readonly name: string;
  readonly bridge: string;
  readonly mode: string;
}

/**
 * Names of the running domains that are attached to the network, by its name or by the bridge that it made. A bridge of
 * the host stays when the network goes.
 */
export function attachedDomains(network: AttachPoint, domains: readonly DomainSnapshot[]): readonly string[] {
  const bridge = network.mode === "bridge" ? undefined : network.bridge;
  return domains.flatMap((domain) => {
    const xml = domain.liveXml;
    // Most domains are elsewhere; a look at the text saves parsing them.
    if (xml === undefined || !(xml.includes(network.name) || xml.includes(network.bridge))) return [];
    const interfaces = childrenOf(at(parseXml(xml), "devices"), "interface");
    const attached = interfaces.some((device) => {
      const source = child(device, "source");
      return (
        attribute(source, "network") === network.name ||
        (bridge !== undefined && bridge !== "" && attribute(source, "bridge") === bridge)
      );
    });
    return attached ? [domain.ref.name] : [];
  });
}
