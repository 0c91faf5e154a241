import { ProviderError } from "../../../../plugin/errors.ts";
import { LibvirtError } from "../../../client/errors.ts";
import type { NetworkRef } from "../../../client/types.ts";
import { definedXml } from "../../../host.ts";
import type { LiveChange } from "../../network/changes.ts";
import { type NetworkFacts, parseNetwork } from "../../network/xml.ts";
import { additions, type NetworkEntry, removals, repairs } from "../entries.ts";
import { type Run, withSignal } from "../run.ts";
import { again } from "./again.ts";

/** Puts the entries into their networks. Does nothing where they are there. `olds` are the machine's entries so far. */
export async function addEntries(
  run: Run,
  entries: readonly NetworkEntry[],
  olds: readonly NetworkEntry[] = [],
): Promise<void> {
  for (const entry of entries) await again(() => addEntry(run, entry, olds));
}

async function addEntry(run: Run, entry: NetworkEntry, olds: readonly NetworkEntry[]): Promise<void> {
  const network = await requireNetwork(run, entry.network);
  // Usually nothing is there: asking first would read the whole network once per machine.
  const [reservation, record] = additions(entry);
  if (reservation !== undefined && (await attempt(run, network, reservation))) {
    if (record === undefined || (await attempt(run, network, record))) return;
  }
  const changes = repairs(await readEntry(run, network, entry), entry, olds);
  if (typeof changes === "string") {
    throw new ProviderError(
      `${run.name} cannot have the address ${entry.address} in the network "${entry.network}": ${changes}. ` +
        "Give one of the machines another address or MAC.",
      "alreadyExists",
    );
  }
  for (const change of changes) await apply(run, network, change);
}

/** Takes the entries out of their networks. Does nothing where they, or the networks, are gone. */
export async function removeEntries(run: Run, entries: readonly NetworkEntry[]): Promise<void> {
  for (const entry of entries) await again(() => removeEntry(run, entry));
}

async function removeEntry(run: Run, entry: NetworkEntry): Promise<void> {
  const network = await run.provider.client.networkLookupByName(entry.network, withSignal(run));
  if (network === undefined) return;
  for (const change of removals(await readEntry(run, network, entry), entry))
    await apply(run, network, change);
}

async function requireNetwork(run: Run, name: string): Promise<NetworkRef> {
  const network = await run.provider.client.networkLookupByName(name, withSignal(run));
  if (network !== undefined) return network;
  throw new ProviderError(
    `there is no network "${name}" on ${run.provider.config.uri}, which ${run.name} has an interface in. ` +
      "Declare it as a libvirt.Network that the domain depends on, or correct the name.",
    "notFound",
  );
}

/** What a network holds of one machine's address, MAC and name. */
async function readEntry(run: Run, network: NetworkRef, entry: NetworkEntry): Promise<NetworkFacts> {
  const xml = await definedXml((options) =>
    run.provider.client.networkGetXmlDesc(network, { ...options, ...withSignal(run) }),
  );
  return parseNetwork(excerpt(xml, entry));
}

/**
 * The network's XML with only the hosts that have the machine's MAC or address. A network of a thousand machines is
 * read once per machine when they are removed; parsing all of it each time would take minutes.
 */
function excerpt(xml: string, entry: NetworkEntry): string {
  const mac = entry.mac.toLowerCase();
  return xml.replace(/<host [^>]*(?:\/>|[^/]>[\s\S]*?<\/host>)/g, (host) =>
    host.includes(`ip='${entry.address}'`) || host.toLowerCase().includes(`mac='${mac}'`) ? host : "",
  );
}

/** True if the change was made, false if the daemon refused it. */
async function attempt(run: Run, network: NetworkRef, change: LiveChange): Promise<boolean> {
  try {
    await apply(run, network, change);
    return true;
  } catch (error) {
    if (error instanceof LibvirtError) return false;
    throw error;
  }
}

async function apply(run: Run, network: NetworkRef, change: LiveChange): Promise<void> {
  const { client, cache } = run.provider;
  const live = await client.networkIsActive(network, withSignal(run));
  try {
    await client.networkUpdate(network, change.command, change.section, -1, change.xml, {
      live,
      config: true,
      ...withSignal(run),
    });
  } finally {
    cache.networks.invalidate();
  }
}
