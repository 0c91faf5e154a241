import type { Cached, CachedBy } from "./cached.ts";
import type { LibvirtClient } from "./client/api.ts";
import type {
  DomainRef,
  DomainStateInfo,
  NetworkRef,
  StoragePoolRef,
  StorageVolRef,
} from "./client/types.ts";
import type { ProviderConfig } from "./resources/inputs.ts";
import type { VolumeFacts } from "./resources/volume/xml.ts";
import type { RolloutRegistry } from "./rollout.ts";

/** A domain as it was when the host was read. */
export interface DomainSnapshot extends Pick<DomainStateInfo, "state" | "reason"> {
  readonly ref: DomainRef;
  readonly autostart: boolean;
  /** The definition. */
  readonly xml: string;
  /** The running guest's own XML; undefined while it is off. */
  readonly liveXml: string | undefined;
}

export interface NetworkSnapshot {
  readonly ref: NetworkRef;
  readonly active: boolean;
  readonly autostart: boolean;
  /** The definition, which carries our mark. */
  readonly xml: string;
}

export interface PoolSnapshot {
  readonly ref: StoragePoolRef;
  readonly active: boolean;
  readonly autostart: boolean;
  readonly xml: string;
}

export interface VolumeSnapshot {
  readonly ref: StorageVolRef;
  readonly xml: string;
}

/** What the host holds, read in bulk at most once per run. Whoever changes something invalidates what it changed. */
export interface ReadCache {
  readonly domains: Cached<readonly DomainSnapshot[]>;
  readonly networks: Cached<readonly NetworkSnapshot[]>;
  readonly pools: Cached<readonly PoolSnapshot[]>;
  /** By name of the pool, which is refreshed first. Empty where the pool does not exist or is not active. */
  readonly volumes: CachedBy<readonly VolumeSnapshot[]>;
  /**
   * Images and seeds, which a thousand machines share, by pool and name (`pool/name`). Overlays come and go without making
   * them stale.
   */
  readonly sharedVolumes: CachedBy<VolumeFacts | "missing" | "unknown">;
}

/** Everything that belongs to one configuration of the provider: one host, one owner. */
export interface ProviderContext {
  /** The configuration with defaults. */
  readonly config: ProviderConfig & { readonly refreshBeforeUpdate: boolean };
  /** The connection to the host. Nothing is dialled before the first call. */
  readonly client: LibvirtClient;
  readonly cache: ReadCache;
  readonly rollout: RolloutRegistry;
}

/** The present context. Throws a ProviderError before the provider is configured. */
export type ContextSource = () => ProviderContext;
