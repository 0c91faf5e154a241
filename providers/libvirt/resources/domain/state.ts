import type { PropertyMap } from "../../../plugin/values.ts";
import type { ProviderContext } from "../../context.ts";
import { sshHostPublicKey } from "../../identity/index.ts";
import type { Hold } from "../../ownership/index.ts";
import type { DomainInputs } from "../inputs.ts";
import type { Facts } from "./plan/facts.ts";
import { toProperties } from "./properties.ts";
import type { VolumePlace } from "./xml/parse-devices.ts";

/** What the state records of a domain besides its inputs. */
export interface DomainState {
  readonly uuid: string;
  /** Empty for an imported domain that nothing of ours has changed yet. */
  readonly generation: string;
  readonly rootVolume: VolumePlace | undefined;
  /**
   * Of the root disk's first boot, from start to ready; 0 where that was not measured. Always recorded: in a preview the
   * engine takes a missing output for unknown, and everything made from it for changed.
   */
  readonly bootSeconds: number;
  /** Not made by us: its disks are never ours. */
  readonly imported: boolean;
}

/** The recorded state; fields that are missing (an import) are empty. */
export function decodeState(state: PropertyMap): DomainState {
  const text = (name: string) => (typeof state[name] === "string" ? state[name] : "");
  return {
    uuid: text("uuid"),
    generation: text("generation"),
    rootVolume: parsePlace(text("rootVolume")),
    bootSeconds: typeof state.bootSeconds === "number" ? state.bootSeconds : 0,
    imported: state.imported === true,
  };
}

/** What is recorded of the first boot of a root disk: nothing where that is another disk than the recorded one. */
export function measuredOn(state: DomainState, rootVolume: VolumePlace | undefined): number {
  const recorded = state.rootVolume;
  const same = recorded?.pool === rootVolume?.pool && recorded?.volume === rootVolume?.volume;
  return same ? state.bootSeconds : 0;
}

/** `POOL/VOLUME`; neither name holds a slash. */
export function parsePlace(text: string): VolumePlace | undefined {
  const slash = text.indexOf("/");
  if (slash <= 0) return undefined;
  return { pool: text.slice(0, slash), volume: text.slice(slash + 1) };
}

export const formatPlace = (place: VolumePlace): string => `${place.pool}/${place.volume}`;

/** Outputs that follow from inputs and configuration alone: previews know them. */
export function computedOutputs(
  provider: ProviderContext,
  inputs: Pick<DomainInputs, "name" | "interfaces" | "deriveSshHostKey" | "sshHostKeyGeneration">,
): { address: string | undefined; sshHostPublicKey: string | undefined } {
  const secret = provider.config.identitySecret;
  return {
    address: inputs.interfaces?.find((nic) => nic.address !== undefined)?.address,
    sshHostPublicKey:
      inputs.deriveSshHostKey === true && secret !== undefined
        ? sshHostPublicKey(secret, inputs.name, inputs.sshHostKeyGeneration)
        : undefined,
  };
}

/** The outputs. Facts are recorded only where they are not as declared, so that a healthy machine's state is small. */
export function encodeState(
  provider: ProviderContext,
  inputs: DomainInputs,
  state: DomainState,
  facts: Facts,
): PropertyMap {
  const expected = inputs.running === false ? "off" : "running";
  return toProperties({
    uuid: state.uuid,
    generation: state.generation,
    ...computedOutputs(provider, inputs),
    rootVolume: state.rootVolume === undefined ? undefined : formatPlace(state.rootVolume),
    bootSeconds: state.bootSeconds,
    imported: state.imported || undefined,
    power: facts.power === expected ? undefined : facts.power,
    pending: facts.pending,
    rootDiskMissing: facts.rootDiskMissing || undefined,
    entriesMissing: facts.entriesMissing || undefined,
    quiesceHook: facts.quiesceHook,
    unmanaged: facts.unmanaged.length === 0 ? undefined : facts.unmanaged,
    foreignRoot: facts.foreignRoot,
    hold: facts.hold === undefined ? undefined : holdRecord(facts.hold),
    liveVcpus: facts.live?.vcpus,
    liveMemoryMiB: facts.live?.memoryMiB,
  });
}

/** A machine as it shall be: running or off as declared, with nothing left to do. */
export function healthyFacts(inputs: DomainInputs, quiesceHook?: boolean): Facts {
  return {
    power: inputs.running === false ? "off" : "running",
    rootDiskMissing: false,
    entriesMissing: false,
    pending: undefined,
    quiesceHook,
    unmanaged: [],
  };
}

/** A hold as plain data. */
function holdRecord({ replaced, ...hold }: Hold): PropertyMap {
  return replaced === undefined ? hold : { ...hold, replaced: holdRecord(replaced) };
}
