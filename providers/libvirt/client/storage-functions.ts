import type { StorageFunctions } from "./api.ts";
import type { Connection } from "./connection.ts";
import { nameInXml, orAbsent } from "./domain-functions.ts";
import * as names from "./names.ts";
import type { CallContext, Caller } from "./procedure.ts";
import { storagePool as pools, storageVol as vols } from "./procedures/storage.ts";
import { download, upload } from "./stream.ts";
import type { CallOptions, StoragePoolRef, StorageVolRef } from "./types.ts";

/** A connection for one stream. */
export interface StreamConnection {
  readonly connection: Connection;
  /** Fires when the caller, the deadline or the end of the client stops the transfer. */
  readonly signal: AbortSignal;
  /** Ends the connection. */
  release(): void;
}

export interface StreamConnections {
  open(context: CallContext): Promise<StreamConnection>;
}

const longTimeoutMs = 600_000;
const unlimited = 0;

const about = (operation: string, target: string, options: CallOptions | undefined) => ({
  ...options,
  operation,
  target,
});
const onPool = (operation: string, ref: StoragePoolRef, options: CallOptions | undefined) =>
  about(operation, `storage pool ${ref.name}`, options);
const onVol = (operation: string, ref: StorageVolRef, options: CallOptions | undefined) =>
  about(operation, `volume ${ref.pool}/${ref.name}`, options);

export function storageFunctions(caller: Caller, streams: StreamConnections): StorageFunctions {
  return { ...poolFunctions(caller), ...volFunctions(caller), ...transferFunctions(streams) };
}

type PoolFunctions = Pick<StorageFunctions, Extract<keyof StorageFunctions, `storagePool${string}`>>;
type TransferFunctions = Pick<StorageFunctions, "storageVolUpload" | "storageVolDownload">;
type VolFunctions = Omit<StorageFunctions, keyof PoolFunctions | keyof TransferFunctions>;

function poolFunctions(caller: Caller): PoolFunctions {
  const long = <T extends object>(context: T) => ({ timeoutMs: longTimeoutMs, ...context });
  return {
    storagePoolLookupByName: (name, options) =>
      orAbsent(
        caller.call(
          pools.lookupByName,
          name,
          about("storagePoolLookupByName", `storage pool ${name}`, options),
        ),
      ),
    storagePoolLookupByUuid: (uuid, options) =>
      orAbsent(
        caller.call(
          pools.lookupByUuid,
          uuid,
          about("storagePoolLookupByUuid", `storage pool ${uuid}`, options),
        ),
      ),
    storagePoolLookupByVolume: (vol, options) =>
      orAbsent(caller.call(pools.lookupByVolume, vol, onVol("storagePoolLookupByVolume", vol, options))),
    storagePoolList: (options) => {
      const flags = (options?.inactive ? 1 : 0) | (options?.active ? 2 : 0);
      return caller.call(pools.list, flags, about("storagePoolList", "", options));
    },
    storagePoolDefineXml: (xml, options) => {
      const args = { xml, flags: (options?.validate ?? true) ? 1 : 0 };
      const context = about("storagePoolDefineXml", nameInXml("storage pool", xml), options);
      return caller.call(pools.defineXml, args, context);
    },
    storagePoolBuild: (pool, options) =>
      caller.call(pools.build, { pool, flags: 0 }, long(onPool("storagePoolBuild", pool, options))),
    storagePoolCreate: (pool, options) =>
      caller.call(pools.create, { pool, flags: 0 }, long(onPool("storagePoolCreate", pool, options))),
    storagePoolDestroy: (pool, options) =>
      caller.call(pools.destroy, pool, onPool("storagePoolDestroy", pool, options)),
    storagePoolDelete: (pool, options) =>
      caller.call(pools.delete, { pool, flags: 0 }, long(onPool("storagePoolDelete", pool, options))),
    storagePoolUndefine: (pool, options) =>
      caller.call(pools.undefine, pool, onPool("storagePoolUndefine", pool, options)),
    storagePoolRefresh: (pool, options) =>
      caller.call(pools.refresh, { pool, flags: 0 }, long(onPool("storagePoolRefresh", pool, options))),
    storagePoolGetInfo: async (pool, options) => {
      const info = await caller.call(pools.getInfo, pool, onPool("storagePoolGetInfo", pool, options));
      return { ...info, state: names.poolState(info.state) };
    },
    storagePoolGetXmlDesc: (pool, options) => {
      const args = { pool, flags: options?.inactive ? 1 : 0 };
      return caller.call(pools.getXmlDesc, args, onPool("storagePoolGetXmlDesc", pool, options));
    },
    storagePoolSetAutostart: (pool, autostart, options) =>
      caller.call(pools.setAutostart, { pool, autostart }, onPool("storagePoolSetAutostart", pool, options)),
    storagePoolGetAutostart: (pool, options) =>
      caller.call(pools.getAutostart, pool, onPool("storagePoolGetAutostart", pool, options)),
    storagePoolIsActive: (pool, options) =>
      caller.call(pools.isActive, pool, onPool("storagePoolIsActive", pool, options)),
    storagePoolListVolumes: (pool, options) =>
      caller.call(pools.listVolumes, pool, onPool("storagePoolListVolumes", pool, options)),
  };
}

function volFunctions(caller: Caller): VolFunctions {
  const newVol = (pool: StoragePoolRef, xml: string) => `${nameInXml("volume", xml)} in pool ${pool.name}`;
  return {
    storageVolLookupByName: (pool, name, options) => {
      const context = about("storageVolLookupByName", `volume ${pool.name}/${name}`, options);
      return orAbsent(caller.call(vols.lookupByName, { pool, name }, context));
    },
    storageVolLookupByPath: (path, options) =>
      orAbsent(caller.call(vols.lookupByPath, path, about("storageVolLookupByPath", path, options))),
    storageVolLookupByKey: (key, options) =>
      orAbsent(caller.call(vols.lookupByKey, key, about("storageVolLookupByKey", key, options))),
    storageVolCreateXml: (pool, xml, options) => {
      const context = about("storageVolCreateXml", newVol(pool, xml), options);
      return caller.call(vols.createXml, { pool, xml, flags: 0 }, context);
    },
    storageVolCreateXmlFrom: (pool, xml, source, options) => {
      const context = about("storageVolCreateXmlFrom", newVol(pool, xml), options);
      const args = { pool, xml, source, flags: 0 };
      return caller.call(vols.createXmlFrom, args, { timeoutMs: unlimited, ...context });
    },
    storageVolDelete: (vol, options) =>
      caller.call(vols.delete, { vol, flags: 0 }, onVol("storageVolDelete", vol, options)),
    storageVolGetInfo: async (vol, options) => {
      const info = await caller.call(vols.getInfo, vol, onVol("storageVolGetInfo", vol, options));
      return { ...info, type: names.volType(info.type) };
    },
    storageVolGetPath: (vol, options) =>
      caller.call(vols.getPath, vol, onVol("storageVolGetPath", vol, options)),
    storageVolGetXmlDesc: (vol, options) =>
      caller.call(vols.getXmlDesc, { vol, flags: 0 }, onVol("storageVolGetXmlDesc", vol, options)),
    storageVolResize: (vol, bytes, options) => {
      const flags = (options?.allocate ? 1 : 0) | (options?.shrink ? 4 : 0);
      const context = onVol("storageVolResize", vol, options);
      return caller.call(vols.resize, { vol, capacity: bytes, flags }, context);
    },
  };
}

function transferFunctions(streams: StreamConnections): TransferFunctions {
  return {
    storageVolUpload: async (vol, content, options) => {
      const context = {
        ...onVol("storageVolUpload", vol, options),
        onProgress: options?.onProgress,
      };
      const args = { vol, offset: options?.offset ?? 0, length: options?.length ?? 0, flags: 0 };
      const { connection, signal, release } = await streams.open(context);
      try {
        return await upload(connection, vols.upload, args, content, { ...context, signal });
      } finally {
        release();
      }
    },
    storageVolDownload: async function* (vol, options) {
      const context = {
        ...onVol("storageVolDownload", vol, options),
        onProgress: options?.onProgress,
      };
      const args = { vol, offset: options?.offset ?? 0, length: options?.length ?? 0, flags: 0 };
      const { connection, signal, release } = await streams.open(context);
      try {
        yield* download(connection, vols.download, args, { ...context, signal });
      } finally {
        release();
      }
    },
  };
}
