import type { HostCpu, Known } from "../planning/facts.ts";
import { parseCpuset } from "../providers/libvirt/resources/domain/cpuset.ts";
import { at, attribute, child, childrenOf, type XmlElement } from "../providers/libvirt/xml/index.ts";

/**
 * Host CPUs that a domain's definition pins its virtual CPUs to, in the order of the virtual CPUs; those that all of them
 * share (`<vcpu cpuset>`) last.
 */
export function pinnedCpusOf(domain: XmlElement): number[] {
  const pins = childrenOf(child(domain, "cputune"), "vcpupin")
    .map((pin) => ({ vcpu: Number(attribute(pin, "vcpu")), cpuset: attribute(pin, "cpuset") }))
    .sort((a, b) => a.vcpu - b.vcpu)
    .map(({ cpuset }) => cpuset);
  return [...pins, attribute(child(domain, "vcpu"), "cpuset")].flatMap((cpuset) =>
    cpuset === undefined ? [] : (parseCpuset(cpuset) ?? []),
  );
}

/** The host's CPUs by NUMA node, from libvirt's capabilities. */
export function hostCpusOf(capabilities: XmlElement): Known<HostCpu[]> {
  const cells = childrenOf(at(capabilities, "host", "topology", "cells"), "cell");
  const cpus = cells.flatMap((cell) =>
    childrenOf(child(cell, "cpus"), "cpu").map((cpu) => ({
      id: Number(attribute(cpu, "id")),
      numaNode: Number(attribute(cell, "id")),
    })),
  );
  return cpus.length === 0
    ? { known: false, why: "libvirt does not tell the host's CPUs by NUMA node" }
    : { known: true, value: cpus.sort((a, b) => a.id - b.id) };
}
