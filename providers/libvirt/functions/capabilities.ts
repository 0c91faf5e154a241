import type { DomainSnapshot } from "../context.ts";
import { at, attribute, child, childrenOf, parseXml, textAt } from "../xml/index.ts";

/** The host's part of the capabilities. */
export function parseCapabilities(xml: string): { arch: string | undefined; cpuModel: string | undefined } {
  const cpu = at(parseXml(xml), "host", "cpu");
  return { arch: textAt(cpu, "arch"), cpuModel: textAt(cpu, "model") };
}

/** What a kind of domain can have; undefined where the document does not say. */
export function parseDomainCapabilities(xml: string): { uefi: boolean | undefined } {
  const os = child(parseXml(xml), "os");
  const firmware = childrenOf(os, "enum").find((candidate) => attribute(candidate, "name") === "firmware");
  if (firmware === undefined) return { uefi: undefined };
  return { uefi: childrenOf(firmware, "value").some((value) => value.text === "efi") };
}

/** True where a guest runs with hardware virtualisation: the only proof that it works. */
export function hasRunningKvm(domains: readonly DomainSnapshot[]): boolean {
  return domains.some(
    (domain) => domain.state === "running" && /^<domain [^>]*\btype=['"]kvm['"]/.test(domain.liveXml ?? ""),
  );
}
