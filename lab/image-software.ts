import { storedImages } from "../images/manifest.ts";
import type { ImageSoftware } from "../planning/facts.ts";
import { BASE, imageVolume } from "../planning/images.ts";

/** The packages that decide which machine may take an image. */
export function softwareOf(packages: ReadonlyMap<string, string>): ImageSoftware {
  const slurm = packages.get("slurmctld") ?? packages.get("slurmd");
  const mariadb = packages.get("mariadb-server");
  return { ...(slurm === undefined ? {} : { slurm }), ...(mariadb === undefined ? {} : { mariadb }) };
}

/** What is in the images that were built on this machine, by the name that their volume has in a cluster's pool. */
export async function builtImages(cluster: string, folder: string): Promise<Record<string, ImageSoftware>> {
  const images = await storedImages(folder);
  return Object.fromEntries(
    images.map((image) => [imageVolume(cluster, BASE, { id: image.id }), softwareOf(image.packages)]),
  );
}
