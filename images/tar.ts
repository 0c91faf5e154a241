/** Tar archives of files that go into a guest. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { GuestFile } from "./guest.ts";
import { run } from "./process.ts";

/**
 * Writes a tar archive with the files, owned by root, independent of the checkout's owners and bits.
 *
 * @param work directory for the archive and what is needed to make it
 * @param name of the archive in it
 */
export async function writeTar(work: string, name: string, files: readonly GuestFile[]): Promise<void> {
  const stage = path.join(work, `${name}.stage`);
  await mkdir(stage);
  for (const file of files) {
    const target = path.join(stage, file.path);
    await mkdir(path.dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, file.content);
    await chmod(target, file.mode);
  }
  const list = path.join(work, `${name}.list`);
  await writeFile(list, files.map((file) => `${file.path.slice(1)}\0`).join(""));
  const owner = ["--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--no-recursion"];
  await run("tar", [
    "-C",
    stage,
    ...owner,
    "--format=ustar",
    "-cf",
    path.join(work, name),
    "--null",
    "-T",
    list,
  ]);
}
