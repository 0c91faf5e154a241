import type { LabConfig } from "../../config/index.ts";
import { declaredForward } from "../../planning/forward.ts";
import {
  createLibvirtClient,
  type LibvirtClient,
  LibvirtConnectionError,
} from "../../providers/libvirt/client/index.ts";
import { readCache } from "../../providers/libvirt/host.ts";
import type { RecordedMachine } from "../../providers/libvirt/maintenance/index.ts";
import { findHold } from "../../providers/libvirt/ownership/index.ts";
import { attribute, child, parseXml, textAt } from "../../providers/libvirt/xml/index.ts";
import { kvmDeviceFinding, readKvmDevice } from "../hypervisor/kvm-device.ts";
import { type KvmResult, probeKvm } from "../hypervisor/kvm-probe.ts";
import { type Known, known, unknown } from "../preflight/facts.ts";
import type { HostNeeds, HostState, LibvirtFacts, MachineNeeds, PoolSpace } from "./facts.ts";
import { isLocalHost, probeSystem } from "./probe.ts";

/** Collects what the checks of a host need. Changes nothing; what cannot be known says why. */
export async function gatherHost(
  uri: string,
  machines: readonly RecordedMachine[],
  cache: string,
): Promise<HostState> {
  const [system, libvirt] = await Promise.all([probeSystem(uri), libvirtFacts(uri, machines)]);
  if (!isLocalHost(uri)) return { system, libvirt };
  return { system: { ...system, kvm: await localKvm(cache) }, libvirt };
}

/** Runs a guest under KVM; libvirt's own user may lack the access that we have. */
async function localKvm(cache: string): Promise<KvmResult> {
  const result = await probeKvm({ cache });
  const access = result.usable === true ? kvmDeviceFinding(readKvmDevice()) : undefined;
  return access === undefined ? result : { usable: false, reason: access.problem, fix: access.fix };
}

/** What the recorded machines and the cluster file ask of the host. */
export function needsOf(machines: readonly RecordedMachine[], forward: HostNeeds["forward"]): HostNeeds {
  return { machines: machines.map(machineNeeds), forward };
}

/**
 * The port for logins that a cluster file declares on a host.
 * @param lab Undefined where the stack names no cluster file.
 */
export function forwardNeeds(lab: LabConfig | undefined, uri: string): HostNeeds["forward"] {
  if (lab?.hpc === undefined) return unknown("the stack names no file with a cluster");
  const { hpc } = lab;
  return known({ cluster: hpc.name, forward: hpc.host.uri === uri ? declaredForward(hpc) : undefined });
}

function machineNeeds({ inputs, name, uuid }: RecordedMachine): MachineNeeds {
  const drains = inputs.quiesce?.hook !== "never";
  return {
    name,
    uuid,
    type: inputs.type ?? "kvm",
    runs: inputs.running !== false,
    autostart: inputs.autostart === true,
    memoryMiB: inputs.maxMemoryMiB ?? inputs.memoryMiB,
    drainSeconds: drains ? (inputs.quiesce?.timeoutSeconds ?? 3600) : 0,
    stopSeconds: inputs.stop?.timeoutSeconds ?? 300,
  };
}

/** The connection URI of a stack that has no machines yet. */
export const declaredHost = (lab: LabConfig | undefined): string => lab?.hpc?.host.uri ?? "qemu:///system";

async function libvirtFacts(uri: string, machines: readonly RecordedMachine[]): Promise<Known<LibvirtFacts>> {
  const client = createLibvirtClient(uri);
  try {
    return known(await readLibvirt(client, machines));
  } catch (error) {
    if (!(error instanceof LibvirtConnectionError)) throw error;
    return unknown(error.message);
  } finally {
    await client.close();
  }
}

async function readLibvirt(
  client: LibvirtClient,
  machines: readonly RecordedMachine[],
): Promise<LibvirtFacts> {
  const cache = readCache(client);
  const [domains, networks] = await Promise.all([cache.domains.get(), cache.networks.get()]);
  const used = new Set(
    machines.flatMap(({ inputs }) => (inputs.interfaces ?? []).map(({ network }) => network)),
  );
  const bridges = networks
    .filter(({ ref }) => used.has(ref.name))
    .map(({ xml }) => attribute(child(parseXml(xml), "bridge"), "name"));
  return {
    domains: domains.map(({ autostart, ref, state, xml }) => {
      const domain = parseXml(xml);
      return {
        name: ref.name,
        uuid: ref.uuid,
        running: state !== "shutoff" && state !== "crashed",
        autostart,
        memoryMiB: Math.ceil(Number(textAt(domain, "memory") ?? "0") / 1024),
        evacuated: findHold(child(domain, "metadata"))?.kind === "evacuation",
      };
    }),
    pools: await poolSpace(client, machines),
    bridges: [...new Set(bridges.filter((bridge) => bridge !== undefined))].sort(),
  };
}

async function poolSpace(client: LibvirtClient, machines: readonly RecordedMachine[]): Promise<PoolSpace[]> {
  const names = machines.flatMap(({ inputs }) => [
    ...(inputs.rootDisk === undefined ? [] : [inputs.rootDisk.pool]),
    ...(inputs.disks ?? []).map(({ pool }) => pool),
  ]);
  const spaces = [...new Set(names)].sort().map(async (name): Promise<PoolSpace[]> => {
    const pool = await client.storagePoolLookupByName(name);
    // What is not there or not started says nothing of its space; the machines' own errors do.
    if (pool === undefined || !(await client.storagePoolIsActive(pool))) return [];
    const { available } = await client.storagePoolGetInfo(pool);
    const volumes = await client.storagePoolListVolumes(pool);
    const infos = await Promise.all(volumes.map((volume) => client.storageVolGetInfo(volume)));
    const growth = infos.reduce(
      (sum, { allocation, capacity }) => sum + Math.max(0, capacity - allocation),
      0,
    );
    return [{ name, freeMiB: Math.floor(available / 2 ** 20), growthMiB: Math.ceil(growth / 2 ** 20) }];
  });
  return (await Promise.all(spaces)).flat();
}
