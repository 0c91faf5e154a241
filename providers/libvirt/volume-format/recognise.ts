import { isQcow2, parseQcow2Header } from "./qcow2.ts";

/** What a file is, by its content. */
export type Recognised =
  | { readonly format: "qcow2"; readonly virtualSize: number }
  | { readonly format: "raw"; readonly virtualSize: number; readonly content: string }
  /** Not usable as a volume; `reason` completes "the file … cannot be used: ". */
  | { readonly format: "refused"; readonly reason: string };

/** First bytes of the file that `recognise` needs; a shorter file gives all of it. */
export const recogniseBytes = 128 * 1024;

interface Signature {
  readonly offset: number;
  readonly bytes: readonly number[];
  readonly name: string;
}

const ascii = (text: string) => [...text].map((character) => character.charCodeAt(0));

/** What a plain disk starts with. A file with none of them is no disk that a guest could use. */
const rawSignatures: readonly Signature[] = [
  { offset: 512, bytes: ascii("EFI PART"), name: "a GPT disk" },
  { offset: 4096, bytes: ascii("EFI PART"), name: "a GPT disk with sectors of 4096 bytes" },
  { offset: 0x8001, bytes: ascii("CD001"), name: "an ISO 9660 image" },
  { offset: 0x8001, bytes: ascii("NSR0"), name: "a UDF image" },
  { offset: 1080, bytes: [0x53, 0xef], name: "an ext file system" },
  { offset: 0, bytes: ascii("XFSB"), name: "an XFS file system" },
  { offset: 0x10040, bytes: ascii("_BHRfS_M"), name: "a Btrfs file system" },
  { offset: 0, bytes: ascii("hsqs"), name: "a SquashFS file system" },
  { offset: 1024, bytes: [0xe2, 0xe1, 0xf5, 0xe0], name: "an EROFS file system" },
  { offset: 0, bytes: [...ascii("LUKS"), 0xba, 0xbe], name: "a LUKS volume" },
  { offset: 512, bytes: ascii("LABELONE"), name: "an LVM volume" },
  { offset: 510, bytes: [0x55, 0xaa], name: "an MBR disk or FAT file system" },
];

/** Other files that are taken for disk images by mistake, with the way out. */
const known: readonly Signature[] = [
  { offset: 0, bytes: [0x1f, 0x8b], name: "compressed with gzip; unpack it" },
  { offset: 0, bytes: [0xfd, ...ascii("7zXZ")], name: "compressed with xz; unpack it" },
  { offset: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd], name: "compressed with zstd; unpack it" },
  { offset: 0, bytes: ascii("BZh"), name: "compressed with bzip2; unpack it" },
  { offset: 0, bytes: ascii("PK\u0003\u0004"), name: "a zip archive; unpack it" },
  { offset: 257, bytes: ascii("ustar"), name: "a tar archive; unpack it" },
  { offset: 0, bytes: ascii("KDMV"), name: "a VMDK image; convert it with qemu-img convert -O qcow2" },
  {
    offset: 0,
    bytes: ascii("# Disk DescriptorFile"),
    name: "a VMDK description; convert the image with qemu-img convert -O qcow2",
  },
  { offset: 0, bytes: ascii("vhdxfile"), name: "a VHDX image; convert it with qemu-img convert -O qcow2" },
  { offset: 0, bytes: ascii("conectix"), name: "a VHD image; convert it with qemu-img convert -O qcow2" },
  {
    offset: 0x40,
    bytes: [0x7f, 0x10, 0xda, 0xbe],
    name: "a VDI image; convert it with qemu-img convert -O qcow2",
  },
  { offset: 0, bytes: ascii("QED\0"), name: "a QED image; convert it with qemu-img convert -O qcow2" },
  { offset: 0, bytes: ascii("<!DOCTYPE"), name: "a web page; the download went wrong" },
  { offset: 0, bytes: ascii("<html"), name: "a web page; the download went wrong" },
];

/** Recognises a disk image by its first `recogniseBytes` bytes and its size in bytes. */
export function recognise(head: Uint8Array, fileSize: number): Recognised {
  if (isQcow2(head)) return recogniseQcow2(head);
  const other = known.find((signature) => matches(head, signature));
  if (other !== undefined) return { format: "refused", reason: `it is ${other.name}` };
  const raw = rawSignatures.find((signature) => matches(head, signature));
  if (raw !== undefined) return { format: "raw", virtualSize: fileSize, content: raw.name };
  const reason =
    fileSize === 0
      ? "it is empty"
      : "it is neither qcow2 nor a plain disk with a partition table, an ISO image or a file system";
  return { format: "refused", reason };
}

function recogniseQcow2(head: Uint8Array): Recognised {
  const header = parseQcow2Header(head);
  const refuse = (reason: string): Recognised => ({ format: "refused", reason });
  if (typeof header === "string") return refuse(header);
  if (header.hasBackingFile) {
    return refuse("it is a qcow2 overlay over another file; make it whole with qemu-img convert -O qcow2");
  }
  if (header.hasExternalDataFile) {
    return refuse("its data is in another file; make it whole with qemu-img convert -O qcow2");
  }
  if (header.encrypted) return refuse("it is encrypted, which is not served");
  if (header.corrupt) return refuse("it is marked as corrupt; repair it with qemu-img check -r all");
  if (header.virtualSize === 0) return refuse("its disk has size 0");
  return { format: "qcow2", virtualSize: header.virtualSize };
}

function matches(head: Uint8Array, signature: Signature): boolean {
  return signature.bytes.every((byte, index) => head[signature.offset + index] === byte);
}
