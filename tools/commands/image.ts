import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type StoredImage, storedImages } from "../../images/manifest.ts";
import { softwareOf } from "../../lab/image-software.ts";
import { imagesInUse, type UsedImage } from "../images/in-use.ts";
import { ask } from "../report/ask.ts";
import { textTable } from "../report/table.ts";
import type { Context } from "./context.ts";

/** A built image and what uses it. */
export interface ListedImage {
  readonly id: string;
  readonly builtAt: string;
  readonly sizeBytes: number;
  readonly slurm?: string;
  readonly mariadb?: string;
  readonly snapshot?: string;
  readonly usedBy: readonly { readonly stack: string; readonly machines: readonly string[] }[];
}

/** Images with their users. A volume that waits for its deletion is a user as well: its machines may go back to it. */
export function listImages(images: readonly StoredImage[], used: readonly UsedImage[]): ListedImage[] {
  return images.map((image) => ({
    id: image.id,
    builtAt: image.builtAt.toISOString(),
    sizeBytes: image.sizeBytes,
    ...softwareOf(image.packages),
    ...(image.snapshot === undefined ? {} : { snapshot: image.snapshot }),
    usedBy: used
      .filter(({ path }) => path.endsWith(`/${image.id}.qcow2`))
      .map(({ machines, stack }) => ({ stack, machines })),
  }));
}

/** Shows the images that were built on this machine. Returns the exit code. */
export async function imageList(context: Context, options: { json: boolean }): Promise<number> {
  const images = listImages(await storedImages(imageFolder(context)), await imagesInUse(context.layout));
  if (options.json) {
    process.stdout.write(`${JSON.stringify(images, undefined, 2)}\n`);
    return 0;
  }
  if (images.length === 0) context.report.line("No image was built on this machine yet.");
  else for (const line of renderImages(images)) context.report.line(line);
  return 0;
}

export function renderImages(images: readonly ListedImage[]): string[] {
  const rows = images.map((image) => [
    image.id,
    `${image.builtAt.slice(0, 16).replace("T", " ")} UTC`,
    image.slurm ?? "-",
    image.snapshot ?? "-",
    sizeText(image.sizeBytes),
    image.usedBy.map(usersText).join("; ") || "nothing",
  ]);
  return textTable(["image", "built", "SLURM", "snapshot", "size", "used by"], rows);
}

const sizeText = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;

function usersText({ machines, stack }: ListedImage["usedBy"][number]): string {
  if (machines.length === 0) return `stack ${stack}`;
  const shown = machines.length <= 3 ? machines.join(", ") : `${machines.length} machines`;
  return `stack ${stack} (${shown})`;
}

/** Removes built images that no stack of the state folder uses; asks first. Returns the exit code. */
export async function imagePrune(
  context: Context,
  options: { yes: boolean },
  question = ask,
): Promise<number> {
  const { report } = context;
  const folder = imageFolder(context);
  const unused = async () =>
    listImages(await storedImages(folder), await imagesInUse(context.layout)).filter(
      ({ usedBy }) => usedBy.length === 0,
    );
  const images = await unused();
  if (images.length === 0) {
    report.line("Every image is in use; nothing was removed.");
    return 0;
  }
  for (const line of renderImages(images)) report.line(line);
  if (!options.yes && !(await agreed(context, `Remove ${countText(images)}? [y/N] `, question))) {
    report.line("Nothing was removed.");
    return 1;
  }
  // A person may think for an hour, and a stack may have taken one meanwhile.
  const still = new Set((await unused()).map(({ id }) => id));
  const removed = images.filter(({ id }) => still.has(id));
  for (const { id } of removed) {
    // The manifest goes first: an image without one counts as not built.
    await rm(join(folder, `${id}.json`), { force: true });
    await rm(join(folder, `${id}.qcow2`), { force: true });
  }
  report.line(
    `Removed ${countText(removed)}, ${sizeText(removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))}.`,
  );
  return 0;
}

const countText = ({ length }: readonly unknown[]): string => (length === 1 ? "1 image" : `${length} images`);

/** Without a person at the terminal the answer is no: what is removed or written is asked for explicitly. */
export async function agreed(context: Context, text: string, question = ask): Promise<boolean> {
  if (!context.interactive) {
    context.report.line("There is no terminal to ask at; say --yes to go on.");
    return false;
  }
  const answer = await question(text);
  return answer !== undefined && /^y(es)?$/i.test(answer);
}

/** Folder of built images. */
export const imageFolder = ({ cache }: Pick<Context, "cache">): string => join(cache, "images");
