import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ImageBuild } from "../components/hpc-cluster/index.ts";
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
        facts[request.key] = {
          path: join(folder, `${request.sha256}.qcow2`),
          identity: { sha256: request.sha256 },
          format: { known: false, why: "it is not downloaded yet" },
          virtualSizeMiB: { known: false, why: "it is not downloaded yet" },
        };
        builds[request.key] = {
          arguments: ["fetch", "--url", request.url, "--sha256", request.sha256],
          identity: request.sha256,
        };
        break;
      }
    }
  }
  return { facts, builds };
}

/**
 * The recipe in use. A new release of hyperlab proposes another one, which takes effect only when the person changes
 * packages, files or the revision of the image: the name of what is kept is made of exactly these.
 */
async function heldRecipe(name: string, request: ImageRequest & { kind: "golden" }): Promise<Recipe> {
  const asked = { packages: request.packages, files: request.files, revision: request.revision };
  const key = createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 12);
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
  const kept = await held(`${name}-recipe-${key}`, canonicalRecipe(proposal), String);
  return parseRecipe(kept);
}
