import { ProviderError } from "../../../../plugin/errors.ts";
import { LibvirtError } from "../../../client/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import { attribute, child, childrenOf, parseXml, renderXml, type XmlElement } from "../../../xml/index.ts";
import { parseCpuset } from "../cpuset.ts";
import type { Definition } from "../definition.ts";
import type { Observation } from "../host/observe.ts";
import { diskSources } from "../host/overlay.ts";
import { freshReader } from "../host/reader.ts";
import { type Run, withSignal } from "../run.ts";
import { parseDomain } from "../xml/parse.ts";
import { renderDisk, renderFilter, renderInterface } from "../xml/render-devices.ts";
import { detachInterfaces } from "./detach.ts";

/**
 * Brings a running guest to the definition, as far as that is possible without a restart: CPUs, memory, pins, new disks,
 * interfaces that come and go. What is as wanted already is left alone, so that it can be repeated.
 */
export async function applyLive(
  run: Run,
  ref: DomainRef,
  wanted: Definition,
  seen: Observation,
): Promise<void> {
  const liveXml = seen.seen.liveXml;
  if (liveXml === undefined) return;
  const live = parseDomain(liveXml, {
    volumeAt: await freshReader(run.provider, run.call.signal).volumeAt(),
    declared: wanted,
  }).definition;
  await applySizes(run, ref, wanted, live);
  await applyPins(run, ref, wanted, live);
  await applyFilters(run, ref, wanted, live, liveXml);
  await detachInterfaces(run, ref, wanted, liveXml);
  await attachDevices(run, ref, wanted, live, seen);
}

/** libvirt compares the whole device with the one that runs: the filter is exchanged in its own description of it. */
async function applyFilters(
  run: Run,
  ref: DomainRef,
  wanted: Definition,
  live: Definition,
  liveXml: string,
): Promise<void> {
  const changed = wanted.interfaces.filter((nic) => {
    const present = live.interfaces.find(({ mac }) => mac === nic.mac);
    return (
      present !== undefined && (present.filter !== nic.filter || present.filterAddress !== nic.filterAddress)
    );
  });
  if (changed.length === 0) return;
  const devices = childrenOf(child(parseXml(liveXml), "devices"), "interface");
  for (const nic of changed) {
    const device = devices.find(
      (each) => attribute(child(each, "mac"), "address")?.toLowerCase() === nic.mac,
    );
    if (device === undefined) continue;
    const xml = renderXml({ ...device, children: withFilter(device.children, renderFilter(nic)) });
    await change(run, `the filter of interface ${nic.mac}`, () =>
      run.provider.client.domainUpdateDevice(ref, xml, { live: true, ...withSignal(run) }),
    );
  }
}

function withFilter(children: readonly XmlElement[], filter: XmlElement | undefined): readonly XmlElement[] {
  const others = children.filter((each) => each.name !== "filterref");
  return filter === undefined ? others : [...others, filter];
}

async function change(run: Run, what: string, update: () => Promise<void>): Promise<void> {
  try {
    await update();
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    throw new ProviderError(
      `${what} could not be changed while ${run.name} runs: ${error.text}. The machine runs as before. ` +
        "Look whether the host has the filter (virsh nwfilter-list) and ebtables, then run the update again.",
      "failedPrecondition",
      error,
    );
  }
}

async function applySizes(run: Run, ref: DomainRef, wanted: Definition, live: Definition): Promise<void> {
  const { client } = run.provider;
  const options = { live: true, ...withSignal(run) };
  if (wanted.vcpus > live.vcpus && wanted.vcpus <= live.maxVcpus) {
    await client.domainSetVcpus(ref, wanted.vcpus, options);
  }
  if (wanted.memoryMiB !== live.memoryMiB && wanted.memoryMiB <= live.maxMemoryMiB) {
    await client.domainSetMemory(ref, wanted.memoryMiB * 1024, options);
  }
}

async function applyPins(run: Run, ref: DomainRef, wanted: Definition, live: Definition): Promise<void> {
  const { client } = run.provider;
  const options = { live: true, ...withSignal(run) };
  const hostCpus = async () => {
    const { cpus } = await client.nodeGetInfo(withSignal(run));
    return Array.from({ length: cpus }, (_, number) => number);
  };
  const pinned = new Map(wanted.cpuPins.map((pin) => [pin.vcpu, pin.cpuset]));
  const now = new Map(live.cpuPins.map((pin) => [pin.vcpu, pin.cpuset]));
  for (const vcpu of new Set([...pinned.keys(), ...now.keys()])) {
    const cpuset = pinned.get(vcpu);
    if (cpuset === now.get(vcpu) || vcpu >= wanted.vcpus) continue;
    // Without a pin a virtual CPU may run everywhere.
    const cpus = cpuset === undefined ? await hostCpus() : (parseCpuset(cpuset) ?? []);
    await client.domainPinVcpu(ref, vcpu, cpus, options);
  }
  if (wanted.emulatorPin !== live.emulatorPin) {
    const cpus =
      wanted.emulatorPin === undefined ? await hostCpus() : (parseCpuset(wanted.emulatorPin) ?? []);
    await client.domainPinEmulator(ref, cpus, options);
  }
}

async function attachDevices(
  run: Run,
  ref: DomainRef,
  wanted: Definition,
  live: Definition,
  seen: Observation,
): Promise<void> {
  const rootTargets = new Set(seen.rootVolume === undefined ? [] : ["vda"]);
  const newDisks = wanted.disks.filter(
    (disk) => !rootTargets.has(disk.target) && !live.disks.some((present) => present.target === disk.target),
  );
  const newInterfaces = wanted.interfaces.filter(
    (nic) => !live.interfaces.some((present) => present.mac === nic.mac),
  );
  if (newDisks.length === 0 && newInterfaces.length === 0) return;
  const sources = await diskSources(run, { ...wanted, disks: newDisks }, undefined);
  const devices = [
    ...newDisks.map((disk) => ({
      what: `disk ${disk.target}`,
      xml: renderDisk(disk, sources.get(disk.target), false),
    })),
    ...newInterfaces.map((nic) => ({ what: `interface ${nic.mac}`, xml: renderInterface(nic) })),
  ];
  for (const { what, xml } of devices) await attach(run, ref, what, renderXml(xml));
}

async function attach(run: Run, ref: DomainRef, what: string, xml: string): Promise<void> {
  try {
    await run.provider.client.domainAttachDevice(ref, xml, { live: true, ...withSignal(run) });
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    throw new ProviderError(
      `${what} could not be attached to ${run.name} while it runs: ${error.text}. The definition was not changed. ` +
        "Shut the machine down in the guest and run the update again: then it gets the device before it starts.",
      "failedPrecondition",
      error,
    );
  }
}
