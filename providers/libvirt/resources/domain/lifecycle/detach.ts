import { ProviderError } from "../../../../plugin/errors.ts";
import { LibvirtError } from "../../../client/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import { attribute, child, childrenOf, parseXml, renderXml, type XmlElement } from "../../../xml/index.ts";
import type { Definition } from "../definition.ts";
import { type Run, withSignal } from "../run.ts";

/** A guest that runs lets go of a card within seconds; one that is emulated takes longer. */
const RELEASE_MS = 60_000;
const POLL_MS = 500;

/**
 * Takes away the interfaces that a running guest has and should not have, and waits until it let them go: a card that is
 * still there would take the name of the one that comes in its place.
 */
export async function detachInterfaces(
  run: Run,
  ref: DomainRef,
  wanted: Definition,
  liveXml: string,
): Promise<void> {
  const kept = new Set(wanted.interfaces.map(({ mac }) => mac));
  for (const device of interfacesIn(liveXml)) {
    const mac = macOf(device);
    if (mac === undefined || kept.has(mac)) continue;
    await detach(run, ref, mac, renderXml(device));
    await waitUntilGone(run, ref, mac);
  }
}

const interfacesIn = (xml: string): readonly XmlElement[] =>
  childrenOf(child(parseXml(xml), "devices"), "interface");

const macOf = (device: XmlElement): string | undefined =>
  attribute(child(device, "mac"), "address")?.toLowerCase();

async function detach(run: Run, ref: DomainRef, mac: string, xml: string): Promise<void> {
  try {
    await run.provider.client.domainDetachDevice(ref, xml, { live: true, ...withSignal(run) });
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    throw failed(run, mac, error.text, error);
  }
}

/** libvirt only passes the wish on: the guest decides when the card is free. */
async function waitUntilGone(run: Run, ref: DomainRef, mac: string): Promise<void> {
  const deadline = run.clock.now() + RELEASE_MS;
  for (;;) {
    const xml = await run.provider.client.domainGetXmlDesc(ref, withSignal(run));
    if (!interfacesIn(xml).some((device) => macOf(device) === mac)) return;
    if (run.clock.now() >= deadline) {
      throw failed(run, mac, `the guest did not let it go within ${RELEASE_MS / 1000} s`);
    }
    await run.clock.sleep(POLL_MS, run.call.signal);
  }
}

function failed(run: Run, mac: string, reason: string, cause?: unknown): ProviderError {
  return new ProviderError(
    `interface ${mac} could not be taken from ${run.name} while it runs: ${reason}. The definition was not changed. ` +
      "Shut the machine down in the guest and run the update again: then it starts without the interface.",
    "failedPrecondition",
    cause,
  );
}
