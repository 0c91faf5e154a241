import { createHash } from "node:crypto";
import { createWriteStream, existsSync, statSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { recognise, recogniseBytes } from "../providers/libvirt/volume-format/index.ts";
import { stderrProgress } from "./process.ts";

/** What to download and where to. */
export interface FetchOptions {
  readonly url: string;
  /** Expected SHA-256 of the file in lower case hex. */
  readonly sha256: string;
  /** Folder of the result, `<sha256>.qcow2`. */
  readonly folder: string;
  readonly signal?: AbortSignal;
}

/** A downloaded image. */
export interface FetchedImage {
  readonly path: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/**
 * Downloads a user's cloud image, in bounded memory. A file that is there was verified when it came.
 *
 * @throws Error where the server refuses, or the content is another than declared or no qcow2 image; nothing is left behind then.
 */
export async function fetchImage(options: FetchOptions): Promise<FetchedImage> {
  const path = join(options.folder, `${options.sha256}.qcow2`);
  if (!existsSync(path)) await download(options, path);
  return { path, sha256: options.sha256, sizeBytes: statSync(path).size };
}

async function download(options: FetchOptions, path: string): Promise<void> {
  const { url, sha256, folder } = options;
  await mkdir(folder, { recursive: true });
  const partial = `${path}.${process.pid}.partial`;
  const progress = stderrProgress();
  progress.step(`downloading ${url}`);
  try {
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    const response = await fetch(url, signal);
    if (!response.ok || response.body === null) {
      throw new Error(`The image ${url} cannot be downloaded: the server answers ${response.status}.`);
    }
    const total = Number(response.headers.get("content-length") ?? 0);
    const hash = createHash("sha256");
    let received = 0;
    const watch = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        received += chunk.length;
        progress.detail(`${megabytes(received)}${total > 0 ? ` of ${megabytes(total)}` : ""}`);
        done(null, chunk);
      },
    });
    await pipeline(Readable.fromWeb(response.body), watch, createWriteStream(partial), signal);
    const found = hash.digest("hex");
    if (found !== sha256) {
      throw new Error(
        `The image ${url} is not the declared one: its SHA-256 is ${found}, declared is ${sha256}. Check where it comes from, then correct "image.sha256".`,
      );
    }
    await checkFormat(url, partial);
    await rename(partial, path);
  } finally {
    progress.stop();
    await rm(partial, { force: true });
  }
}

async function checkFormat(url: string, path: string): Promise<void> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, recogniseBytes)), 0);
    const found = recognise(buffer.subarray(0, bytesRead), size);
    if (found.format === "qcow2") return;
    const what = found.format === "refused" ? found.reason : `it is ${found.content}`;
    throw new Error(
      `The image ${url} is not a qcow2 image: ${what}. Name a qcow2 image, or download it, convert it with "qemu-img convert -O qcow2", and use "image.path".`,
    );
  } finally {
    await file.close();
  }
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1_000_000)} MB`;
