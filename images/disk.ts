/** Turns an installed tree into a disk image: EFI system partition, root file system, partition table, qcow2. */
import { createHash } from "node:crypto";
import { truncate, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Progress, run } from "./process.ts";
import type { Recipe } from "./recipe.ts";

/** What a disk is made of. */
export interface DiskInputs {
  readonly recipe: Pick<Recipe, "kernelArguments" | "sizeMiB">;
  readonly id: string;
  /** Directory with `tree`, `vmlinuz`, `initrd` and `systemd-boot`. */
  readonly work: string;
  readonly progress: Progress;
  readonly environment: NodeJS.ProcessEnv;
}

const mebibyte = 1024 * 1024;
const espMiB = 64;
const firstMiB = 1;

/** A UUID that depends on the image's identity alone, so that a second build gives the same disk. */
export function stableUuid(id: string, purpose: string): string {
  const hex = createHash("sha256").update(`${id} ${purpose}`).digest("hex");
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

async function writeEsp(disk: DiskInputs, file: string): Promise<void> {
  const { work, recipe, id, environment } = disk;
  const entry = path.join(work, "entry.conf");
  const options = [`root=PARTUUID=${stableUuid(id, "root")}`, ...recipe.kernelArguments].join(" ");
  await writeFile(entry, `title hyperlab\nlinux /vmlinuz\ninitrd /initrd\noptions ${options}\n`);
  const loader = path.join(work, "loader.conf");
  await writeFile(loader, "timeout 0\ndefault hyperlab.conf\neditor no\n");
  await writeFile(file, "");
  await truncate(file, espMiB * mebibyte);
  const serial = createHash("sha256").update(id).digest("hex").slice(0, 8);
  await run("mformat", ["-i", file, "-N", serial, "-v", "HYPERLAB", "::"], { environment });
  await run("mcopy", ["-i", file, path.join(work, "vmlinuz"), path.join(work, "initrd"), "::"], {
    environment,
  });
  for (const directory of ["EFI", "EFI/BOOT", "loader", "loader/entries"]) {
    await run("mmd", ["-i", file, `::${directory}`], { environment });
  }
  const copies: readonly (readonly [string, string])[] = [
    [path.join(work, "systemd-boot"), "::EFI/BOOT/BOOTX64.EFI"],
    [loader, "::loader/loader.conf"],
    [entry, "::loader/entries/hyperlab.conf"],
  ];
  for (const [from, to] of copies) await run("mcopy", ["-i", file, from, to], { environment });
}

async function writeRoot(disk: DiskInputs, file: string, sizeMiB: number): Promise<void> {
  const { work, id, environment } = disk;
  await writeFile(file, "", { mode: 0o666 });
  await truncate(file, sizeMiB * mebibyte);
  const options = `hash_seed=${stableUuid(id, "hash")},lazy_itable_init=1,root_owner=0:0`;
  const args = [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "hyperlab-root",
    "-U",
    stableUuid(id, "filesystem"),
    "-m",
    "1",
  ];
  const command = ["mke2fs", ...args, "-E", options, "-d", path.join(work, "tree"), file];
  const [program = "", ...rest] =
    process.geteuid?.() === 0 ? command : ["mmdebstrap", "--unshare-helper", ...command];
  await run(program, rest, { environment });
}

/** Copy a partition to its place; runs of zeros stay holes. */
async function place(from: string, to: string, offsetMiB: number): Promise<void> {
  const args = [`if=${from}`, `of=${to}`, "bs=1M", `seek=${offsetMiB}`, "conv=sparse,notrunc", "status=none"];
  await run("dd", args);
}

/**
 * Write the disk of an installed tree.
 * @returns path of the qcow2 file in the work directory
 */
export async function writeDisk(disk: DiskInputs): Promise<string> {
  const { work, recipe, id, progress, environment } = disk;
  const esp = path.join(work, "esp.img");
  const root = path.join(work, "root.img");
  const raw = path.join(work, "disk.raw");
  const rootMiB = recipe.sizeMiB - firstMiB - espMiB - 1;
  progress.step("writing the boot partition and the root file system");
  await writeEsp(disk, esp);
  await writeRoot(disk, root, rootMiB);
  await writeFile(raw, "");
  await truncate(raw, recipe.sizeMiB * mebibyte);
  const table = path.join(work, "table");
  await writeFile(
    table,
    [
      "label: gpt",
      `label-id: ${stableUuid(id, "disk")}`,
      `start=${firstMiB}MiB, size=${espMiB}MiB, type=uefi, uuid=${stableUuid(id, "esp")}, name=esp`,
      `start=${firstMiB + espMiB}MiB, size=${rootMiB}MiB, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=${stableUuid(id, "root")}, name=root`,
      "",
    ].join("\n"),
  );
  await run("sh", ["-c", 'exec sfdisk --quiet "$1" < "$2"', "sh", raw, table], { environment });
  await place(esp, raw, firstMiB);
  await place(root, raw, firstMiB + espMiB);
  const image = path.join(work, "image.qcow2");
  progress.step("writing the qcow2 file");
  await run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, image], { environment });
  return image;
}
