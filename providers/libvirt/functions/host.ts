import type { FunctionHandler } from "../../plugin/types.ts";
import type { PropertyMap } from "../../plugin/values.ts";
import { Cached } from "../cached.ts";
import type { LibvirtClient } from "../client/api.ts";
import { LibvirtError } from "../client/errors.ts";
import type { ContextSource, ProviderContext } from "../context.ts";
import { hasRunningKvm, parseCapabilities, parseDomainCapabilities } from "./capabilities.ts";

/** `getHost`: facts about the host, read once per configuration. */
export function getHost(source: ContextSource): FunctionHandler {
  const facts = new WeakMap<ProviderContext, Cached<PropertyMap>>();
  return async (context) => {
    const provider = source();
    let cached = facts.get(provider);
    if (cached === undefined) {
      cached = new Cached(() => readHost(provider));
      facts.set(provider, cached);
    }
    return { outputs: await cached.get(context.signal) };
  };
}

async function readHost(provider: ProviderContext): Promise<PropertyMap> {
  const { client } = provider;
  const [hostname, driver, libvirtVersion, hypervisorVersion, node, memory, capabilities, kvm, domains] =
    await Promise.all([
      client.getHostname(),
      client.getType(),
      client.getLibVersion(),
      client.getVersion(),
      client.nodeGetInfo(),
      orUndefined(client.nodeGetMemoryStats()),
      client.getCapabilities(),
      offers(client, "kvm"),
      provider.cache.domains.get(),
    ]);
  const host = parseCapabilities(capabilities);
  const emulated = kvm.answer === undefined ? await offers(client, "qemu") : kvm;
  const uefi = emulated.answer === undefined ? undefined : parseDomainCapabilities(emulated.answer).uefi;
  return {
    uri: provider.config.uri,
    hostname,
    driver,
    libvirtVersion: versionText(libvirtVersion),
    hypervisorVersion: versionText(hypervisorVersion),
    arch: host.arch ?? node.cpuModel,
    cpuModel: host.cpuModel,
    cpus: node.cpus,
    sockets: node.socketsPerNode,
    cores: node.coresPerSocket,
    threads: node.threadsPerCore,
    numaNodes: node.numaNodes,
    // The kernel's count, where it is known: the other one is taken at boot and misses memory added later.
    memoryMiB: Math.floor((memory?.total ?? node.memoryKiB) / 1024),
    freeMemoryMiB: memory === undefined ? undefined : freeMemoryMiB(memory),
    kvm: hasRunningKvm(domains) ? true : kvm.refused ? false : undefined,
    uefi,
  };
}

/** Free memory and what the kernel gives up at once. */
function freeMemoryMiB(stats: Readonly<Record<string, number>>): number | undefined {
  const { free, cached = 0, buffers = 0 } = stats;
  return free === undefined ? undefined : Math.floor((free + cached + buffers) / 1024);
}

/** libvirt packs versions into one number. */
export function versionText(version: number): string {
  return `${Math.floor(version / 1_000_000)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`;
}

/** The domain capabilities for a way to run guests: libvirt refuses the question where it does not offer it. */
async function offers(
  client: LibvirtClient,
  virttype: "kvm" | "qemu",
): Promise<{ answer: string | undefined; refused: boolean }> {
  try {
    return { answer: await client.getDomainCapabilities({ virttype }), refused: false };
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    return { answer: undefined, refused: error.codeName !== "VIR_ERR_NO_SUPPORT" };
  }
}

/** A fact that a driver need not serve. */
async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof LibvirtError) return undefined;
    throw error;
  }
}
