/** What the header of a qcow2 file says. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  /** Size of the disk that the guest sees, in bytes. */
  readonly virtualSize: number;
  readonly clusterSize: number;
  readonly hasBackingFile: boolean;
  readonly hasExternalDataFile: boolean;
  readonly encrypted: boolean;
  readonly corrupt: boolean;
}

const magic = 0x514649fb;
/** Bytes that `parseQcow2Header` needs. */
export const qcow2HeaderBytes = 104;

const bitCorrupt = 1n << 1n;
const bitDataFile = 1n << 2n;

/** True for a file that starts as qcow2. */
export function isQcow2(head: Uint8Array): boolean {
  return head.length >= 4 && view(head).getUint32(0) === magic;
}

/**
 * Reads the header from the first bytes of the file.
 * @returns the header, or text that says what is wrong with it.
 */
export function parseQcow2Header(head: Uint8Array): Qcow2Header | string {
  if (!isQcow2(head)) return "it does not start as qcow2";
  if (head.length < 72) return "its qcow2 header is cut off";
  const data = view(head);
  const version = data.getUint32(4);
  if (version !== 2 && version !== 3) return `its qcow2 version ${version} is not known`;
  const clusterBits = data.getUint32(20);
  if (clusterBits < 9 || clusterBits > 21) return `its qcow2 cluster size (2^${clusterBits}) is not possible`;
  const size = data.getBigUint64(24);
  // The image format ends at 2^63; numbers beyond 2^53 would lose precision, and no disk is that large.
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) return "its qcow2 size is not possible";
  if (version === 3 && head.length < qcow2HeaderBytes) return "its qcow2 header is cut off";
  const incompatible = version === 3 ? data.getBigUint64(72) : 0n;
  return {
    version,
    virtualSize: Number(size),
    clusterSize: 2 ** clusterBits,
    hasBackingFile: data.getBigUint64(8) !== 0n,
    hasExternalDataFile: (incompatible & bitDataFile) !== 0n,
    encrypted: data.getUint32(32) !== 0,
    corrupt: (incompatible & bitCorrupt) !== 0n,
  };
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
