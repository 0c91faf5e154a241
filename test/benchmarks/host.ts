/** The libvirt daemon of the benchmarks: its own, so that nothing on this machine is touched or in the way. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createLibvirtClient, type LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../support/libvirtd.ts";

export interface BenchHost {
  readonly daemon: OwnLibvirtd;
  readonly client: LibvirtClient;
  /** An empty image for overlays, on the machine that runs the engine. */
  readonly image: string;
  /** Directory for the pool; does not exist yet. */
  readonly poolPath: string;
  stop(): Promise<void>;
}

export async function startHost(): Promise<BenchHost> {
  const daemon = await startOwnLibvirtd();
  const client = createLibvirtClient(daemon.qemuUri);
  const stop = async () => {
    await client.close();
    await daemon.stop();
  };
  try {
    const image = join(daemon.directory, "image.raw");
    await writeFile(image, smallDisk());
    return { daemon, client, image, poolPath: join(daemon.directory, "pool"), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** One MiB with the signature of a partition table: enough for a disk that overlays stand on. */
function smallDisk(): Uint8Array {
  const disk = new Uint8Array(2 ** 20);
  disk.set([0x55, 0xaa], 510);
  return disk;
}
