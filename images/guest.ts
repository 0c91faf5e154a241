/** The guest software in `images/guest`: where it is, its files, its digest. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** A file of the guest software. */
export interface GuestFile {
  /** Absolute path in the guest. */
  readonly path: string;
  readonly content: string;
  /** 0o755 for programs, 0o644 for the rest, 0o440 for sudo rules. */
  readonly mode: number;
}

/** `images/` of the package, wherever this module was bundled to. */
export function imagesDirectory(): string {
  let directory = path.dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const candidate = path.join(directory, "images");
    if (existsSync(path.join(candidate, "guest", "usr", "lib", "hyperlab"))) return candidate;
    const parent = path.dirname(directory);
    if (parent === directory) {
      throw new Error(
        "The guest software (images/guest) was not found above this module: the installation is incomplete; install hyperlab again.",
      );
    }
    directory = parent;
  }
}

/** Modes come from the content and the place, not from the checkout, whose bits depend on the user's umask. */
function modeOf(guestPath: string, content: string): number {
  if (guestPath.startsWith("/etc/sudoers.d/")) return 0o440;
  return content.startsWith("#!") ? 0o755 : 0o644;
}

/** All files of the guest software, sorted by path. */
export function guestFiles(root: string = path.join(imagesDirectory(), "guest")): GuestFile[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".pyc"))
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const guestPath = `/${path.relative(root, file).split(path.sep).join("/")}`;
      const content = readFileSync(file, "utf8");
      return { path: guestPath, content, mode: modeOf(guestPath, content) };
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** SHA-256 over paths, modes and contents. */
export function filesDigest(files: readonly GuestFile[]): string {
  const hash = createHash("sha256");
  for (const file of files) hash.update(JSON.stringify([file.path, file.mode, file.content]));
  return hash.digest("hex");
}

/** Digest of the guest software of this release; part of every recipe. */
export function guestDigest(): string {
  return filesDigest(guestFiles());
}
