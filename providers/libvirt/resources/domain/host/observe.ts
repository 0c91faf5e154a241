import type { PropertyMap } from "../../../../plugin/values.ts";
import type { Hold } from "../../../ownership/index.ts";
import { decodeInputs } from "../../../schema/index.ts";
import {
  compact,
  type Definition,
  definitionOf,
  type InterfaceDefinition,
  rootTarget,
} from "../definition.ts";
import { entriesOf, hasEntry, reservationOf } from "../entries.ts";
import type { Facts, LiveSizes } from "../plan/facts.ts";
import type { DomainState } from "../state.ts";
import { toInputs } from "../to-inputs.ts";
import { type ParsedDomain, parseDomain } from "../xml/parse.ts";
import type { VolumePlace } from "../xml/parse-devices.ts";
import type { HostReader, SeenDomain, SeenVolume } from "./reader.ts";

/** A domain that exists, with everything that belongs to it. */
export interface Observation {
  readonly seen: SeenDomain;
  readonly parsed: ParsedDomain;
  /** The overlay that the machine uses, or should use. */
  readonly rootVolume: VolumePlace | undefined;
  readonly rootDisk: SeenVolume | undefined;
  readonly facts: Facts;
  /** The inputs that describe what is there. */
  readonly inputs: PropertyMap;
}

/** What is recorded, as far as it helps to read the host. */
export interface Recorded {
  readonly state: DomainState;
  /** Absent for an import. */
  readonly inputs: PropertyMap | undefined;
  readonly quiesceHook: boolean | undefined;
}

/** Puts together what the host has of one domain. */
export async function observe(
  reader: HostReader,
  seen: SeenDomain,
  recorded: Recorded,
): Promise<Observation> {
  const inputs = recorded.inputs;
  const declared = inputs === undefined ? undefined : definitionOf(decodeInputs("Domain", inputs));
  const parsed = parseDomain(seen.xml, {
    volumeAt: await reader.volumeAt(),
    ...(declared === undefined ? {} : { declared }),
  });
  const rootVolume = parsed.rootVolume ?? recorded.state.rootVolume;
  const rootDisk = rootVolume === undefined ? undefined : await reader.volume(rootVolume);
  const interfaces = await Promise.all(
    parsed.definition.interfaces.map((nic) => withReservation(reader, nic, declared)),
  );
  const foreignRoot = declared?.rootDisk === undefined ? undefined : foreignRootOf(parsed);
  const { disks } = parsed.definition;
  const definition = compact<Definition>({
    ...parsed.definition,
    // In the root disk's place it is no disk of its own.
    disks: foreignRoot === undefined ? disks : disks.filter(({ target }) => target !== rootTarget),
    interfaces,
    // A hold switched it off, and whoever releases the hold lets it be mended.
    autostart: parsed.hold === undefined ? seen.autostart : (declared?.autostart ?? seen.autostart),
    rootDisk: await rootDiskOf(reader, rootVolume, rootDisk, declared),
  });
  const running = seen.power === "running";
  return {
    seen,
    parsed,
    rootVolume,
    rootDisk,
    facts: {
      power: seen.power,
      rootDiskMissing: rootDisk === "missing",
      entriesMissing: declared !== undefined && (await lacksEntries(reader, declared)),
      pending: parsed.mark?.pending,
      quiesceHook: recorded.quiesceHook,
      unmanaged: parsed.unmanaged.map(({ what }) => what),
      ...(foreignRoot === undefined ? {} : { foreignRoot }),
      ...(parsed.hold === undefined ? {} : { hold: parsed.hold }),
      live: liveFacts(definition, seen),
    },
    inputs: withPower(toInputs(definition, inputs), running, parsed.hold, inputs),
  };
}

/** What is in the place of the root overlay that the mark lists: a volume, or a file in no pool. */
function foreignRootOf(parsed: ParsedDomain): string | undefined {
  if (parsed.rootVolume !== undefined) return undefined;
  const volume = parsed.definition.disks.find(({ target }) => target === rootTarget);
  if (volume !== undefined) return `${volume.pool}/${volume.volume}`;
  return parsed.unmanaged.find(({ what }) => what.startsWith(`disk ${rootTarget} `))?.what;
}

/** The declared power state where the host agrees or a hold overrides it, else the host's. */
function withPower(
  inputs: PropertyMap,
  running: boolean,
  hold: Hold | undefined,
  declared: PropertyMap | undefined,
): PropertyMap {
  const { running: _running, ...rest } = inputs;
  if (declared !== undefined && (hold !== undefined || (declared.running !== false) === running)) {
    return declared.running === undefined ? rest : { ...rest, running: declared.running };
  }
  return running ? rest : { ...rest, running };
}

/** Image and size of the overlay; as declared where the host cannot say. */
async function rootDiskOf(
  reader: HostReader,
  place: VolumePlace | undefined,
  volume: SeenVolume | undefined,
  declared: Definition | undefined,
): Promise<Definition["rootDisk"] | undefined> {
  if (place === undefined) return undefined;
  if (volume === undefined || volume === "missing" || volume === "unknown") return declared?.rootDisk;
  const backing = volume.backing === undefined ? undefined : (await reader.volumeAt())(volume.backing);
  return {
    pool: place.pool,
    image: backing?.volume ?? volume.backing ?? "",
    sizeMiB: Math.floor(volume.capacityBytes / 2 ** 20),
  };
}

/** A declared reservation stays as declared (what is missing is a fact of its own); else what the network has. */
async function withReservation(
  reader: HostReader,
  nic: InterfaceDefinition,
  declared: Definition | undefined,
): Promise<InterfaceDefinition> {
  if (nic.network === undefined) return nic;
  const wanted = declared?.interfaces.find((candidate) => candidate.mac === nic.mac);
  if (wanted !== undefined) {
    return compact<InterfaceDefinition>({ ...nic, address: wanted.address, hostname: wanted.hostname });
  }
  if (declared !== undefined) return nic;
  const facts = await reader.network(nic.network);
  const found = facts === undefined ? undefined : reservationOf(facts, nic.mac);
  return compact<InterfaceDefinition>({ ...nic, address: found?.address, hostname: found?.hostname });
}

async function lacksEntries(reader: HostReader, declared: Definition): Promise<boolean> {
  for (const entry of entriesOf(declared)) {
    const facts = await reader.network(entry.network);
    if (facts === undefined || !hasEntry(facts, entry)) return true;
  }
  return false;
}

/** Sizes of a running guest where they differ from its definition. */
function liveFacts(definition: Definition, seen: SeenDomain): LiveSizes {
  if (seen.liveXml === undefined || seen.power !== "running") return {};
  const { vcpus, memoryMiB } = liveSizes(seen.liveXml);
  const differs = (now: number, configured: number) => Number.isSafeInteger(now) && now !== configured;
  return {
    ...(differs(vcpus, definition.vcpus) ? { vcpus } : {}),
    ...(differs(memoryMiB, definition.memoryMiB) ? { memoryMiB } : {}),
  };
}

/**
 * The two numbers that a refresh needs of a running guest. Taken without parsing the whole document, which for a
 * thousand guests would take as long as everything else together; libvirt writes both in one way only.
 */
function liveSizes(xml: string): { vcpus: number; memoryMiB: number } {
  const vcpu = /<vcpu\b[^>]*?(?:current='(\d+)')?>(\d+)<\/vcpu>/.exec(xml);
  const memory = /<currentMemory unit='KiB'>(\d+)<\/currentMemory>/.exec(xml);
  return {
    vcpus: Number(vcpu?.[1] ?? vcpu?.[2] ?? Number.NaN),
    memoryMiB: Math.floor(Number(memory?.[1] ?? Number.NaN) / 1024),
  };
}
