import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { ProviderError } from "../../../plugin/errors.ts";
import { makeIso, type Recognised, recognise, recogniseBytes } from "../../volume-format/index.ts";
import type { VolumeInputs, VolumeSource } from "../inputs.ts";

/** Bytes to upload, opened and recognised. Must be closed. */
export interface OpenContent {
  readonly format: "qcow2" | "raw";
  /** Bytes to send. */
  readonly length: number;
  /** Size of the disk that a guest sees. */
  readonly virtualSize: number;
  /** The bytes, once. */
  stream(): AsyncIterable<Uint8Array>;
  /** To be called after the stream: throws where the bytes are not the declared ones. */
  verify(): void;
  close(): Promise<void>;
}

const chunkBytes = 1024 * 1024;

/** Opens what the volume is made of; undefined for a blank volume. */
export async function openContent(inputs: VolumeInputs): Promise<OpenContent | undefined> {
  if (inputs.seed !== undefined) return seedContent(inputs.seed);
  return inputs.source === undefined ? undefined : await fileContent(inputs.source, inputs.format);
}

function seedContent(seed: Exclude<VolumeInputs["seed"], undefined>): OpenContent {
  const text = new TextEncoder();
  const image = makeIso("CIDATA", [
    { name: "user-data", content: text.encode(seed.userData) },
    { name: "meta-data", content: text.encode(seed.metaData) },
    ...(seed.networkConfig === undefined
      ? []
      : [{ name: "network-config", content: text.encode(seed.networkConfig) }]),
  ]);
  return {
    format: "raw",
    length: image.length,
    virtualSize: image.length,
    async *stream() {
      yield image;
    },
    verify: () => {},
    close: async () => {},
  };
}

async function fileContent(source: VolumeSource, declared: VolumeInputs["format"]): Promise<OpenContent> {
  const file = await openFile(source.path);
  try {
    const { size } = await file.stat();
    const recognised = recognise(await readHead(file, size), size);
    const { format, virtualSize } = accept(recognised, source.path, declared);
    const hash = source.sha256 === undefined ? undefined : createHash("sha256");
    return {
      format,
      length: size,
      virtualSize,
      stream: () => readAll(file, size, source.path, (chunk) => hash?.update(chunk)),
      verify: () => verifyHash(source, hash?.digest("hex")),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, "r");
    const stat = await file.stat();
    if (stat.isFile()) return file;
    await file.close();
    throw new ProviderError(`the source ${path} is not a plain file; name a disk image`, "invalidArgument");
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProviderError(
      `the source ${path} cannot be read on the machine that runs the engine: ${reason}. Build or download it, or correct source.path.`,
      "notFound",
      error,
    );
  }
}

async function readHead(file: FileHandle, size: number): Promise<Uint8Array> {
  const head = Buffer.alloc(Math.min(size, recogniseBytes));
  let filled = 0;
  while (filled < head.length) {
    const { bytesRead } = await file.read(head, filled, head.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return head.subarray(0, filled);
}

function accept(
  recognised: Recognised,
  path: string,
  declared: VolumeInputs["format"],
): { format: "qcow2" | "raw"; virtualSize: number } {
  if (recognised.format === "refused") {
    throw new ProviderError(`the source ${path} cannot be used: ${recognised.reason}`, "invalidArgument");
  }
  if (declared !== undefined && declared !== recognised.format) {
    throw new ProviderError(
      `the source ${path} is ${recognised.format} by its content, but the volume declares ${declared}. Leave "format" out, or convert the file with qemu-img convert -O ${declared}.`,
      "invalidArgument",
    );
  }
  return recognised;
}

async function* readAll(
  file: FileHandle,
  size: number,
  path: string,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  let position = 0;
  while (position < size) {
    // A fresh buffer each time: the transfer may still hold the last one.
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, size - position));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) {
      throw new ProviderError(
        `the source ${path} became shorter while it was uploaded (${position} of ${size} bytes); try again when nothing writes to it`,
        "failedPrecondition",
      );
    }
    position += bytesRead;
    const chunk = buffer.subarray(0, bytesRead);
    onChunk(chunk);
    yield chunk;
  }
}

function verifyHash(source: VolumeSource, found: string | undefined): void {
  if (source.sha256 === found) return;
  throw new ProviderError(
    `the source ${source.path} is not the declared one: its SHA-256 is ${found}, declared is ${source.sha256}. ` +
      `The partial volume was removed. Get the file again, or correct source.sha256.`,
    "invalidArgument",
  );
}
