/** The folder that an image is built in. */
import { createHash } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { run } from "./process.ts";

/** Space that a build takes while it runs. */
const neededBytes = 4 * 1024 ** 3;

const isRoot = (): boolean => process.geteuid?.() === 0;

/**
 * Where the folders of builds are made. Without root the package installer runs as other user ids, which may not enter
 * a home folder.
 * @param directory folder of the finished images
 */
export const workParent = (directory: string): string => (isRoot() ? directory : "/var/tmp");

/**
 * Make the folder for one build. Call it with the lock of the image held: what a killed build of the same image left is
 * removed.
 * @throws Error where there is not enough space
 */
export async function makeWork(
  directory: string,
  id: string,
  parent = workParent(directory),
): Promise<string> {
  const place = createHash("sha256").update(path.resolve(directory)).digest("hex").slice(0, 8);
  const prefix = `.hyperlab-build-${id}-${place}-`;
  for (const name of await readdir(parent)) {
    const left = path.join(parent, name);
    if (name.startsWith(prefix) && (await stat(left)).uid === process.geteuid?.()) await removeWork(left);
  }
  await checkSpace(parent);
  const work = await mkdtemp(path.join(parent, prefix));
  // Other user ids of the builder must enter and write; the sticky bit keeps everybody else from replacing our files.
  await chmod(work, isRoot() ? 0o700 : 0o1777);
  return work;
}

/** Remove the folder of a build. The tree of a build without root belongs to other user ids; only their namespace can. */
export async function removeWork(work: string): Promise<void> {
  const tree = path.join(work, "tree");
  const exists = await stat(tree).then(
    () => true,
    () => false,
  );
  if (!isRoot() && exists) await run("mmdebstrap", ["--unshare-helper", "rm", "-rf", tree]).catch(() => "");
  await rm(work, { recursive: true, force: true });
}

async function checkSpace(directory: string): Promise<void> {
  const space = await statfs(directory);
  const free = space.bavail * space.bsize;
  if (free >= neededBytes) return;
  const gibibytes = (bytes: number) => (bytes / 1024 ** 3).toFixed(1);
  throw new Error(
    `Building an image needs ${gibibytes(neededBytes)} GiB in ${directory}, where ${gibibytes(free)} GiB are free. ` +
      "Free space there, or set XDG_CACHE_HOME to a folder on a larger disk.",
  );
}
