import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ImageBuild } from "../components/hpc-cluster/index.ts";
import { cloudGuestId, guestDiskPath } from "../images/cloud-guest.ts";
import { guestDigest } from "../images/guest.ts";
import {
  canonicalRecipe,
  imagePath,
  parseRecipe,
  type Recipe,
  recipeId,
  slurmRecipe,
} from "../images/recipe.ts";
import type { ImageFact, ImageRequest } from "../planning/facts.ts";
import { held } from "./held.ts";
import { fileFact } from "./image-file.ts";

/** What planner and component need to know of the images that a lab asks for. */
export interface ResolvedImages {
  readonly facts: Record<string, ImageFact>;
  readonly builds: Record<string, ImageBuild>;
}

/** Resolves every image of the lab without building, fetching or uploading anything. */
export async function resolveImages(
  name: string,
  requests: readonly ImageRequest[],
  cache: string,
): Promise<ResolvedImages> {
  const facts: Record<string, ImageFact> = {};
  const builds: Record<string, ImageBuild> = {};
  const folder = join(cache, "images");
  for (const request of requests) {
    switch (request.kind) {
      case "golden": {
        const recipe = await heldRecipe(name, request);
        const id = recipeId(recipe);
        facts[request.key] = {
          path: imagePath(folder, recipe),
          identity: { id },
          format: { known: true, value: "qcow2" },
          virtualSizeMiB: { known: true, value: recipe.sizeMiB },
        };
        builds[request.key] = {
          arguments: ["build", "--recipe-json", "-"],
          stdin: canonicalRecipe(recipe),
          identity: id,
        };
        break;
      }
      case "file":
        facts[request.key] = await fileFact(request.path, request.sha256, cache);
        break;
      case "url": {
        facts[request.key] = await downloadFact(folder, request.sha256, cache);
        builds[request.key] = {
          arguments: ["fetch", "--url", request.url, "--sha256", request.sha256],
          identity: request.sha256,
        };
        break;
      }
      case "guest": {
        const id = await heldGuest(name, request);
        facts[request.key] = {
          path: guestDiskPath(folder, id),
          identity: { id },
          format: { known: true, value: "raw" },
          virtualSizeMiB: { known: true, value: 1 },
        };
        builds[request.key] = { arguments: ["guest", "--id", id], identity: id };
        break;
      }
    }
  }
  return { facts, builds };
}

/** What is known of an image by URL; its file is verified when it comes. */
async function downloadFact(folder: string, sha256: string, cache: string): Promise<ImageFact> {
  const fact = await fileFact(join(folder, `${sha256}.qcow2`), sha256, cache);
  const there = fact.format.known && fact.format.value !== "missing";
  const unknown = { known: false, why: "it is not downloaded yet" } as const;
  return there ? fact : { ...fact, format: unknown, virtualSizeMiB: unknown };
}

/** Name of what is kept for exactly these wishes. */
function wishes(request: ImageRequest & { kind: "golden" | "guest" }): string {
  const asked = { packages: request.packages, files: request.files, revision: request.revision };
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 12);
}

/** The guest software in use on cloud images: that of the release which first served these wishes. */
function heldGuest(name: string, request: ImageRequest & { kind: "guest" }): Promise<string> {
  return held(`${name}-guest-${wishes(request)}`, cloudGuestId(), String);
}

/**
 * The recipe in use. A new release of hyperlab proposes another one, which takes effect only when the person changes
 * packages, files or the revision of the image: the name of what is kept is made of exactly these.
 */
async function heldRecipe(name: string, request: ImageRequest & { kind: "golden" }): Promise<Recipe> {
  const proposal = slurmRecipe(guestDigest(), {
    packages: request.packages,
    files: [
      ...request.files.map((file) => ({
        path: file.path,
        content: file.content,
        mode: Number.parseInt(file.mode, 8),
      })),
      { path: "/etc/hyperlab/image-revision", content: `${request.revision}\n` },
    ],
  });
  const kept = await held(`${name}-recipe-${wishes(request)}`, canonicalRecipe(proposal), String);
  return parseRecipe(kept);
}
