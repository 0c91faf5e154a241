import { isNotFound, LibvirtError } from "../../../client/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import {
  inputHash,
  markNamespace,
  markPrefix,
  recoveryKey,
  recoveryNamespace,
  renderRecovery,
} from "../../../ownership/index.ts";
import { parseXml, renderXml, renderXmlLine } from "../../../xml/index.ts";
import type { Definition } from "../definition.ts";
import { again } from "../host/again.ts";
import { diskSources } from "../host/overlay.ts";
import { type DomainMark, domainMarkElement } from "../mark.ts";
import { type Run, withSignal } from "../run.ts";
import { keepAddresses } from "../xml/addresses.ts";
import { isAliasOf, machineTypeOf, type ParsedDomain } from "../xml/parse.ts";
import type { VolumePlace } from "../xml/parse-devices.ts";
import { renderDomain } from "../xml/render.ts";

/** A definition to be written. */
export interface NewDefinition {
  readonly definition: Definition;
  readonly uuid: string;
  readonly mark: DomainMark;
  readonly rootVolume: VolumePlace | undefined;
  /** The present definition: its device addresses, machine type and hold are kept. */
  readonly current?: ParsedDomain;
  /** XML of the running guest, whose devices are not to move either. */
  readonly liveXml?: string | undefined;
}

/** The mark of this resource for a definition. */
export function newMark(
  run: Run,
  definition: Definition,
  generation: string,
  rest: Pick<DomainMark, "disks" | "pending" | "previous" | "bootSeconds">,
): DomainMark {
  return {
    owner: run.provider.config.owner,
    urn: run.urn,
    inputHash: inputHash(definition),
    generation,
    ...(definition.restartTrigger === undefined ? {} : { restartTrigger: definition.restartTrigger }),
    ...rest,
  };
}

/** Writes a definition in one call: at no time is the domain without one. */
export async function defineDomain(run: Run, made: NewDefinition): Promise<DomainRef> {
  const sources = await diskSources(run, made.definition, made.rootVolume);
  const resolved = made.current === undefined ? undefined : machineTypeOf(made.current.element);
  let next = renderDomain(made.definition, {
    uuid: made.uuid,
    sources,
    mark: made.mark,
    ...(made.current?.hold === undefined ? {} : { hold: made.current.hold }),
    testDriver: run.provider.config.uri.startsWith("test"),
    ...(resolved !== undefined && isAliasOf(made.definition.machine, resolved)
      ? { resolvedMachine: resolved }
      : {}),
  });
  if (made.current !== undefined) next = keepAddresses(next, made.current.element);
  if (made.liveXml !== undefined) next = keepAddresses(next, parseXml(made.liveXml));
  return defineXml(run, renderXml(next));
}

/** Writes a definition as it is. */
export async function defineXml(run: Run, xml: string): Promise<DomainRef> {
  try {
    return await again(() => run.provider.client.domainDefineXml(xml, withSignal(run)));
  } finally {
    run.provider.cache.domains.invalidate();
  }
}

/** Writes the mark alone. Also after an abort: it is what the next run goes by. */
export async function writeMark(run: Run, ref: DomainRef, mark: DomainMark): Promise<void> {
  const xml = renderXmlLine(domainMarkElement(mark, "function"));
  try {
    const { client } = run.provider;
    const metadata = { uri: markNamespace, key: markPrefix, xml };
    await again(() => client.domainSetMetadata(ref, metadata, { config: true }));
  } finally {
    run.provider.cache.domains.invalidate();
  }
}

/** Writes the recovery record alone; undefined takes it away. */
export async function writeRecovery(run: Run, ref: DomainRef, record: string | undefined): Promise<void> {
  const xml = record === undefined ? undefined : renderRecovery(record);
  try {
    const { client } = run.provider;
    const metadata = { uri: recoveryNamespace, key: recoveryKey, xml };
    await again(() => client.domainSetMetadata(ref, metadata, { config: true, ...withSignal(run) }));
  } finally {
    run.provider.cache.domains.invalidate();
  }
}

/** Whether the machine starts with its host. */
export async function setAutostart(run: Run, ref: DomainRef, autostart: boolean): Promise<void> {
  await again(() => run.provider.client.domainSetAutostart(ref, autostart, withSignal(run)));
}

/** Flags from complete to what every driver knows: drivers refuse flags for things that they do not have. */
const undefineFlags = [
  { nvram: true, managedSave: true, snapshotsMetadata: true, checkpointsMetadata: true },
  { nvram: true, managedSave: true, snapshotsMetadata: true },
  { managedSave: true, snapshotsMetadata: true },
] as const;

/** Removes a definition with what libvirt keeps beside it; does nothing where it is gone. */
export async function undefineDomain(run: Run, ref: DomainRef): Promise<void> {
  const { client, cache } = run.provider;
  for (const [index, flags] of undefineFlags.entries()) {
    try {
      await again(() => client.domainUndefine(ref, { ...flags, ...withSignal(run) }));
      return;
    } catch (error) {
      if (isNotFound(error)) return;
      const unknown = error instanceof LibvirtError && error.codeName === "VIR_ERR_INVALID_ARG";
      if (!unknown || index === undefineFlags.length - 1) throw error;
    } finally {
      cache.domains.invalidate();
    }
  }
}
