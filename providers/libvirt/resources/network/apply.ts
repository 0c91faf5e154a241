import { ProviderError } from "../../../plugin/errors.ts";
import type { CallContext } from "../../../plugin/types.ts";
import { LibvirtError } from "../../client/errors.ts";
import type { NetworkRef } from "../../client/types.ts";
import type { ProviderContext } from "../../context.ts";
import { networkDefinition } from "../../host.ts";
import { isOurs } from "../../ownership/index.ts";
import type { NetworkInputs } from "../inputs.ts";
import { keptOf, liveChanges } from "./changes.ts";
import { parseHostAddress, subnetText } from "./ipv4.ts";
import { type AttachPoint, attachedDomains } from "./users.ts";
import { type NetworkFacts, parseNetwork, renderNetwork } from "./xml.ts";

/** The network's definition as it is now, not from the cache. */
export async function readFacts(
  provider: ProviderContext,
  context: CallContext,
  ref: NetworkRef,
): Promise<NetworkFacts & { readonly xml: string }> {
  const xml = await networkDefinition(provider.client, ref, { signal: context.signal });
  return { ...parseNetwork(xml), xml };
}

/** Throws unless the network is the very one that the state knows. An imported one is known by its UUID alone. */
export function requireOurs(
  provider: ProviderContext,
  facts: NetworkFacts,
  known: { readonly uuid: string; readonly generation: string },
  verb: string,
): void {
  if (known.generation === "" && facts.uuid === known.uuid) return;
  if (isOurs(facts.mark, { owner: provider.config.owner, generation: known.generation })) return;
  throw new ProviderError(
    `the network "${facts.name}" on ${provider.config.uri} was not ${verb}: it does not carry the mark of the one that this stack made. ` +
      `Somebody made it anew. Remove it by hand if it is not needed, or run "pulumi refresh".`,
    "failedPrecondition",
  );
}

/** Throws while running domains are attached, because their connection would be cut and not come back. */
export async function refuseWhileAttached(
  provider: ProviderContext,
  context: CallContext,
  network: AttachPoint,
  verb: string,
): Promise<void> {
  const domains = await provider.cache.domains.get(context.signal);
  const attached = attachedDomains(network, domains);
  if (attached.length === 0) return;
  const more = attached.length > 5 ? ` and ${attached.length - 5} more` : "";
  throw new ProviderError(
    `the network "${network.name}" cannot be ${verb} while running domains are attached to it: ` +
      `${attached.slice(0, 5).join(", ")}${more}. Stop them first (running: false), or take the change back.`,
    "failedPrecondition",
  );
}

/** Starts the network if it is stopped, and sets whether it starts with the host. */
export async function ensureStarted(
  provider: ProviderContext,
  context: CallContext,
  ref: NetworkRef,
  inputs: NetworkInputs,
): Promise<void> {
  const { client } = provider;
  const options = { signal: context.signal };
  await client.networkSetAutostart(ref, inputs.autostart ?? true, options);
  if (await client.networkIsActive(ref, options)) return;
  try {
    await client.networkCreate(ref, options);
  } catch (error) {
    throw startError(provider, inputs, error);
  }
}

/** The usual reasons for which a network does not start, in words that help. */
export function startError(provider: ProviderContext, inputs: NetworkInputs, error: unknown): unknown {
  if (!(error instanceof LibvirtError)) return error;
  const subnet = inputs.address === undefined ? undefined : parseHostAddress(inputs.address);
  const [, user] = /already in use by interface (\S+)/i.exec(error.text) ?? [];
  if (user !== undefined && user !== inputs.bridge && subnet !== undefined) {
    return new ProviderError(
      `the subnet ${subnetText(subnet)} of network "${inputs.name}" is already in use on ${provider.config.uri} (libvirt: ${error.text}). Choose another subnet.`,
      "failedPrecondition",
      error,
    );
  }
  // Where the bridge has its address already, libvirt finds that first.
  if (user !== undefined || /bridge name .* already in use|File exists/i.test(error.text)) {
    return new ProviderError(
      `the bridge "${inputs.bridge}" of network "${inputs.name}" exists already on ${provider.config.uri} (libvirt: ${error.text}). Choose another bridge name, or mode bridge to use it as it is. Where libvirt was killed while it started this network, the bridge is what it left, and the next "npm run up" removes it where it may act as root on the host; by hand: ${leftBridgeFix(inputs.name, inputs.bridge)}`,
      "failedPrecondition",
      error,
    );
  }
  return error;
}

/** Commands of root on the host that remove what a killed libvirt left of a network that it was starting. */
export const leftBridgeFix = (name: string, bridge: string): string =>
  `pkill -f dnsmasq/${name}.conf; ip link delete ${bridge}`;

/** Changes what libvirt can change in a running network, and the definition with it. */
export async function applyLive(
  provider: ProviderContext,
  context: CallContext,
  ref: NetworkRef,
  olds: NetworkInputs,
  news: NetworkInputs,
): Promise<void> {
  const { client } = provider;
  const live = await client.networkIsActive(ref, { signal: context.signal });
  const changes = liveChanges(await readFacts(provider, context, ref), olds, news);
  for (const { command, section, xml } of changes) {
    await client.networkUpdate(ref, command, section, -1, xml, {
      live,
      config: true,
      signal: context.signal,
    });
  }
}

/**
 * Gives the network a new definition and starts it with that. Entries of domains are kept. When the new definition does
 * not start, the old one is put back and started again.
 */
export async function redefine(
  provider: ProviderContext,
  context: CallContext,
  ref: NetworkRef,
  olds: NetworkInputs,
  news: NetworkInputs,
  hash: string,
): Promise<void> {
  const { client } = provider;
  const options = { signal: context.signal };
  const before = await readFacts(provider, context, ref);
  const mark = before.mark === undefined ? undefined : { ...before.mark, inputHash: hash };
  const xml = renderNetwork(news, before.uuid, mark, keptOf(before, olds, news));
  try {
    await client.networkDefineXml(xml, options);
  } catch (error) {
    throw startError(provider, news, error);
  }
  try {
    if (await client.networkIsActive(ref, options)) await client.networkDestroy(ref, options);
    await ensureStarted(provider, context, ref, news);
  } catch (error) {
    await putBack(provider, context, ref, before.xml);
    throw error;
  }
}

async function putBack(
  provider: ProviderContext,
  context: CallContext,
  ref: NetworkRef,
  xml: string,
): Promise<void> {
  // Without the call's signal: an abort must not leave the network stopped.
  const { client } = provider;
  try {
    await client.networkDefineXml(xml);
    if (!(await client.networkIsActive(ref))) await client.networkCreate(ref);
  } catch (error) {
    context.logger.warning(
      `the former definition of the network "${ref.name}" could not be put back: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
