import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { ImageFact } from "../planning/facts.ts";
import { recognise, recogniseBytes } from "../providers/libvirt/volume-format/index.ts";

const bytesPerMiB = 1024 * 1024;

/**
 * What the planner needs to know of an image file on this machine.
 *
 * The digest of a file that declares none is computed once per size and time of change, and kept in the cache.
 */
export async function fileFact(path: string, sha256: string | undefined, cache: string): Promise<ImageFact> {
  const found = await stat(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) {
    return {
      path,
      identity: { sha256: sha256 ?? "0".repeat(64) },
      format: { known: true, value: "missing" },
      virtualSizeMiB: { known: false, why: "there is no such file" },
    };
  }
  const content = recognise(await head(path, found.size), found.size);
  return {
    path,
    identity: { sha256: sha256 ?? (await digestOf(path, `${found.size} ${found.mtimeMs}`, cache)) },
    format: { known: true, value: content.format === "refused" ? "other" : content.format },
    virtualSizeMiB:
      content.format === "refused"
        ? { known: false, why: content.reason }
        : { known: true, value: Math.ceil(content.virtualSize / bytesPerMiB) },
  };
}

async function head(path: string, size: number): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, recogniseBytes)), 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function digestOf(path: string, version: string, cache: string): Promise<string> {
  const key = createHash("sha256").update(`${path}\0${version}`).digest("hex");
  const kept = join(cache, "digests", key);
  const known = await readFile(kept, "utf8").catch(() => "");
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const digest = hash.digest("hex");
  await mkdir(dirname(kept), { recursive: true });
  await writeFile(kept, digest);
  return digest;
}
