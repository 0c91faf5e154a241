/**
 * A small ISO 9660 image: files in one directory, with Rock Ridge names, so that Linux shows them as they are called.
 * The same files always give the same bytes. Layout by ECMA-119 and the Rock Ridge Interchange Protocol 1.10.
 */
const sectorSize = 2048;
const descriptorSector = 16;
const terminatorSector = 17;
const littlePathTable = 18;
const bigPathTable = 19;
const rootSector = 20;
const firstFileSector = 21;

/** A file of the image. Names: letters, digits, `-`, `_` and `.`, at most 60 characters. */
export interface IsoFile {
  readonly name: string;
  readonly content: Uint8Array;
}

interface PlacedFile extends IsoFile {
  /** Name in the plain ISO directory: `META_DAT.;1`. */
  readonly identifier: string;
  readonly sector: number;
}

/** Makes the image. `label` is upper case letters, digits and `_`, at most 32. */
export function makeIso(label: string, files: readonly IsoFile[]): Uint8Array {
  if (!/^[A-Z0-9_]{1,32}$/.test(label))
    throw new RangeError(`${JSON.stringify(label)} cannot be an ISO label`);
  const placed = place(files);
  const sectors = placed.reduce((sum, file) => sum + sectorsOf(file), firstFileSector);
  const image = new Uint8Array(sectors * sectorSize);
  const put = (sector: number, bytes: Uint8Array) => image.set(bytes, sector * sectorSize);
  put(descriptorSector, primaryDescriptor(label, sectors));
  put(terminatorSector, Uint8Array.of(255, ...ascii("CD001"), 1));
  put(littlePathTable, pathTable(true));
  put(bigPathTable, pathTable(false));
  put(rootSector, rootDirectory(placed));
  for (const file of placed) put(file.sector, file.content);
  return image;
}

const sectorsOf = (file: IsoFile) => Math.max(1, Math.ceil(file.content.length / sectorSize));

function place(files: readonly IsoFile[]): PlacedFile[] {
  const identified = files.map((file) => ({ ...file, identifier: identifierOf(file.name) }));
  identified.sort((a, b) => (a.identifier < b.identifier ? -1 : 1));
  const doubles = identified.filter((file, index) => identified[index - 1]?.identifier === file.identifier);
  if (doubles[0] !== undefined)
    throw new RangeError(`two files of the ISO shorten to ${doubles[0].identifier}`);
  let sector = firstFileSector;
  return identified.map((file) => {
    const start = sector;
    sector += sectorsOf(file);
    return { ...file, sector: start };
  });
}

function identifierOf(name: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,59}$/.test(name)) {
    throw new RangeError(`${JSON.stringify(name)} cannot be a file of the ISO`);
  }
  const [base = "", extension = ""] = name
    .toUpperCase()
    .replace(/[^A-Z0-9_.]/g, "_")
    .split(".");
  return `${base.slice(0, 8)}.${extension.slice(0, 3)};1`;
}

function primaryDescriptor(label: string, sectors: number): Uint8Array {
  const block = new Block(sectorSize);
  block.bytes(0, [1, ...ascii("CD001"), 1]);
  block.text(8, 32, "LINUX");
  block.text(40, 32, label);
  block.both32(80, sectors);
  block.both16(120, 1);
  block.both16(124, 1);
  block.both16(128, sectorSize);
  block.both32(132, 10);
  block.little32(140, littlePathTable);
  block.big32(148, bigPathTable);
  block.bytes(
    156,
    directoryRecord({ identifier: [0], sector: rootSector, size: sectorSize, directory: true, use: [] }),
  );
  for (const [offset, length] of [
    [190, 128],
    [318, 128],
    [446, 128],
    [574, 128],
    [702, 37],
    [739, 37],
    [776, 37],
  ] as const) {
    block.text(offset, length, "");
  }
  for (const offset of [813, 830]) block.bytes(offset, [...ascii("2000010100000000"), 0]);
  for (const offset of [847, 864]) block.bytes(offset, [...ascii("0000000000000000"), 0]);
  block.bytes(881, [1]);
  return block.data;
}

function pathTable(littleEndian: boolean): Uint8Array {
  const block = new Block(10);
  block.bytes(0, [1, 0]);
  if (littleEndian) block.little32(2, rootSector);
  else block.big32(2, rootSector);
  block.bytes(6, littleEndian ? [1, 0, 0, 0] : [0, 1, 0, 0]);
  return block.data;
}

function rootDirectory(files: readonly PlacedFile[]): Uint8Array {
  const self = { sector: rootSector, size: sectorSize, directory: true };
  const directoryUse = [...posix(0o40500, 2), ...times()];
  const records = [
    directoryRecord({ ...self, identifier: [0], use: [...indicator(), ...directoryUse, ...extension()] }),
    directoryRecord({ ...self, identifier: [1], use: directoryUse }),
    ...files.map((file) =>
      directoryRecord({
        identifier: ascii(file.identifier),
        sector: file.sector,
        size: file.content.length,
        directory: false,
        use: [...posix(0o100400, 1), ...times(), ...alternateName(file.name)],
      }),
    ),
  ];
  const bytes = records.flat();
  if (bytes.length > sectorSize) throw new RangeError("too many files for the ISO's directory");
  return Uint8Array.from(bytes);
}

function directoryRecord(entry: {
  identifier: readonly number[];
  sector: number;
  size: number;
  directory: boolean;
  use: readonly number[];
}): number[] {
  const padding = entry.identifier.length % 2 === 0 ? 1 : 0;
  const head = 33 + entry.identifier.length + padding;
  const length = head + entry.use.length + (entry.use.length % 2);
  const block = new Block(length);
  block.bytes(0, [length, 0]);
  block.both32(2, entry.sector);
  block.both32(10, entry.size);
  block.bytes(18, timestamp);
  block.bytes(25, [entry.directory ? 2 : 0, 0, 0]);
  block.both16(28, 1);
  block.bytes(32, [entry.identifier.length, ...entry.identifier]);
  block.bytes(head, entry.use);
  return [...block.data];
}

/** 2000-01-01, so that the image depends on the files alone. */
const timestamp = [100, 1, 1, 0, 0, 0, 0];

/** SUSP "SP": system use entries start right away. */
const indicator = () => [...ascii("SP"), 7, 1, 0xbe, 0xef, 0];
/** SUSP "ER": the entries are Rock Ridge. */
const extension = () => [...ascii("ER"), 18, 1, 10, 0, 0, 1, ...ascii("RRIP_1991A")];
/** Rock Ridge "TF": modification time. */
const times = () => [...ascii("TF"), 12, 1, 2, ...timestamp];
/** Rock Ridge "NM": the name as it is. */
const alternateName = (name: string) => [...ascii("NM"), 5 + name.length, 1, 0, ...ascii(name)];

/** Rock Ridge "PX": mode and links; owner and group are root. */
function posix(mode: number, links: number): number[] {
  const block = new Block(36);
  block.bytes(0, [...ascii("PX"), 36, 1]);
  block.both32(4, mode);
  block.both32(12, links);
  return [...block.data];
}

function ascii(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

/** Writes fields at fixed places. "Both" is little endian followed by big endian. */
class Block {
  readonly data: Uint8Array;
  readonly #view: DataView;

  constructor(length: number) {
    this.data = new Uint8Array(length);
    this.#view = new DataView(this.data.buffer);
  }

  bytes(offset: number, values: ArrayLike<number>): void {
    this.data.set(values, offset);
  }

  text(offset: number, length: number, value: string): void {
    this.bytes(offset, ascii(value.padEnd(length)));
  }

  little32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }

  big32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, false);
  }

  both32(offset: number, value: number): void {
    this.little32(offset, value);
    this.big32(offset + 4, value);
  }

  both16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, true);
    this.#view.setUint16(offset + 2, value, false);
  }
}
