import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run } from "../process/run.ts";

/** Where Pulumi publishes its releases. */
export const RELEASES = "https://get.pulumi.com/releases/sdk";

/** A site without internet must get on quickly: names that do not resolve and ports that do not answer. */
const CONNECT_MS = 5_000;
/** No byte for this long means that the transfer is dead. */
const STALL_MS = 30_000;

/** The download could not be had; something else may be tried. */
export class UnreachableError extends Error {}

/** Name of the architecture in the names of the release files. */
export function releaseArchitecture(arch: string = process.arch): "x64" | "arm64" | undefined {
  return arch === "x64" || arch === "arm64" ? arch : undefined;
}

/** SHA-256 of a file from the text of a checksum list; undefined where the list does not name it. */
export function checksumOf(list: string, file: string): string | undefined {
  for (const line of list.split("\n")) {
    const match = /^([0-9a-fA-F]{64})\s+\*?(\S+)\s*$/.exec(line);
    if (match?.[2] === file) return match[1]?.toLowerCase();
  }
  return undefined;
}

/**
 * Downloads a release of the engine, checks it against the published SHA-256 and unpacks its programs into `folder`.
 * @param onProgress bytes so far and of all, where the server says how many.
 * @throws UnreachableError where the site cannot be reached or has no such release.
 * @throws Error where the content is not what the checksum list says.
 */
export async function downloadEngine(
  version: string,
  folder: string,
  onProgress: (bytes: number, total: number | undefined) => void,
  releases: string = RELEASES,
): Promise<void> {
  const arch = releaseArchitecture();
  if (arch === undefined) throw new UnreachableError(`there is no official engine for ${process.arch}`);
  const name = `pulumi-v${version}-linux-${arch}.tar.gz`;
  const list = await (await get(`${releases}/pulumi-${version}-checksums.txt`)).text();
  const expected = checksumOf(list, name);
  if (expected === undefined) {
    throw new Error(`the checksum list of Pulumi ${version} does not name ${name}; refusing to use it`);
  }
  const archive = join(folder, name);
  const actual = await fetchTo(`${releases}/${name}`, archive, onProgress);
  if (actual !== expected) {
    throw new Error(
      `${name} from ${releases} has SHA-256 ${actual}, but ${expected} is published; ` +
        "a proxy may have changed it: download it by another way and put `pulumi` on PATH",
    );
  }
  await unpack(archive, join(folder, "unpacked"));
}

async function get(url: string): Promise<Response> {
  const connect = new AbortController();
  const timer = setTimeout(() => connect.abort(), CONNECT_MS);
  try {
    const response = await fetch(url, { signal: connect.signal });
    if (!response.ok) throw new UnreachableError(`${url} answers ${response.status} ${response.statusText}`);
    return response;
  } catch (error) {
    if (error instanceof UnreachableError) throw error;
    throw new UnreachableError(`${url} cannot be reached: ${reason(error)}`);
  } finally {
    clearTimeout(timer);
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "AbortError") return `no answer in ${CONNECT_MS / 1000} s`;
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Streams a URL into a file and returns the SHA-256 of what was written. */
async function fetchTo(
  url: string,
  file: string,
  onProgress: (bytes: number, total: number | undefined) => void,
): Promise<string> {
  const response = await get(url);
  if (response.body === null) throw new UnreachableError(`${url} has no content`);
  const total = Number(response.headers.get("content-length")) || undefined;
  const source = Readable.fromWeb(response.body);
  const stall = setTimeout(() => source.destroy(new Error(`no data for ${STALL_MS / 1000} s`)), STALL_MS);
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      stall.refresh();
      onProgress(bytes, total);
      done(null, chunk);
    },
  });
  try {
    await pipeline(source, count, createWriteStream(file));
  } catch (error) {
    throw new UnreachableError(`${url} broke off after ${bytes} bytes: ${reason(error)}`);
  } finally {
    clearTimeout(stall);
  }
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

async function unpack(archive: string, target: string): Promise<void> {
  await mkdir(target, { recursive: true });
  const result = await run("tar", ["-xzf", archive, "-C", target, "--strip-components=1", "--no-same-owner"]);
  if (result.code !== 0) throw new Error(`${archive} cannot be unpacked: ${result.stderr.trim()}`);
}
