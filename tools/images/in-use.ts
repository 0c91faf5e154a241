/** Which images the stacks of a state folder use, read from their state. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { StateLayout } from "../state/layout.ts";

/** An image that a stack uploaded to its host. */
export interface UsedImage {
  readonly stack: string;
  /** Resource `CLUSTER-base`, and the volume in the pool. */
  readonly resource: string;
  readonly volume: string;
  /** File that it was uploaded from. */
  readonly path: string;
  /** Machines whose root disks begin with it. */
  readonly machines: readonly string[];
}

const deploymentSchema = z.object({
  resources: z
    .array(
      z.object({ urn: z.string(), type: z.string(), inputs: z.record(z.string(), z.unknown()).optional() }),
    )
    .optional(),
});
const checkpointSchema = z.object({
  checkpoint: z.object({ latest: deploymentSchema.nullish() }),
});
const volumeInputs = z.object({ name: z.string(), source: z.object({ path: z.string(), id: z.string() }) });
const domainInputs = z.object({ rootDisk: z.object({ image: z.string() }) });

/** Images of one stack, from the text of its state. Those that are only waiting to be deleted are among them. */
export function usedImages(stack: string, state: unknown): UsedImage[] {
  const resources = checkpointSchema.parse(state).checkpoint.latest?.resources ?? [];
  const machines = resources.flatMap((resource) => {
    const domain =
      resource.type === "libvirt:index:Domain" ? domainInputs.safeParse(resource.inputs) : undefined;
    return domain?.success ? [{ name: nameOf(resource.urn), image: domain.data.rootDisk.image }] : [];
  });
  return resources.flatMap((resource) => {
    const volume =
      resource.type === "libvirt:index:Volume" ? volumeInputs.safeParse(resource.inputs) : undefined;
    if (volume?.success !== true) return [];
    const { name, source } = volume.data;
    const users = machines.filter(({ image }) => image === name).map((machine) => machine.name);
    return [{ stack, resource: nameOf(resource.urn), volume: name, path: source.path, machines: users }];
  });
}

const nameOf = (urn: string): string => urn.slice(urn.lastIndexOf("::") + 2);

/**
 * Images of every stack of the state folder.
 * @throws Error where the stacks are not all files that can be read: nothing may then count as unused
 */
export async function imagesInUse(layout: StateLayout): Promise<UsedImage[]> {
  if (layout.backendFolder === undefined) {
    throw new Error(
      `which images stacks use cannot be read from the backend ${layout.backendUrl}; only stacks in files are looked at`,
    );
  }
  const folder = join(layout.backendFolder, ".pulumi", "stacks");
  const files = await stackFiles(folder);
  const used = await Promise.all(
    files.map(async ({ path, stack }) => {
      try {
        return usedImages(stack, JSON.parse(await readFile(path, "utf8")));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(
          `the state of stack ${stack} (${path}) cannot be read, so that no image counts as unused: ${reason}`,
          { cause: error },
        );
      }
    }),
  );
  return used.flat();
}

async function stackFiles(folder: string): Promise<{ path: string; stack: string }[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile() && /\.json(\.gz|\.zst)?$/.test(entry.name))
    .map((entry) => ({
      path: join(entry.parentPath, entry.name),
      stack: entry.name.replace(/\.json(\.gz|\.zst)?$/, ""),
    }));
}
