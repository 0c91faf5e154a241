import { createHash } from "node:crypto";
import { join } from "node:path";
import type { ImageBuild } from "../components/hpc-cluster/index.ts";
import { cloudGuestId, guestDiskPath } from "../images/cloud-guest.ts";
import { storedImage } from "../images/manifest.ts";
import { proposedRecipe } from "../images/proposal.ts";
import {
  canonicalRecipe,
  imagePath,
  manifestPath,
  parseRecipe,
  type Recipe,
  recipeId,
} from "../images/recipe.ts";
import type { ImageFact, ImageRequest, ImageSoftware, Known } from "../planning/facts.ts";
import type { Decisions } from "./held.ts";
import { fileFact } from "./image-file.ts";
import { softwareOf } from "./image-software.ts";

/** What planner and component need to know of the images that a lab asks for. */
export interface ResolvedImages {
  readonly facts: Record<string, ImageFact>;
  readonly builds: Record<string, ImageBuild>;
}

/** Where images are built and kept, below the cache. */
export const imageFolder = (cache: string): string => join(cache, "images");

/**
 * The builds with a look at what they made: its packages are compared with those that the machines have.
 *
 * @param check Ends the run where no machine may take what was built; gets the facts as they are then.
 */
export function acceptedBuilds(
  { builds, facts }: ResolvedImages,
  check: (facts: Record<string, ImageFact>) => Promise<void>,
): Record<string, ImageBuild> {
  const looked = Object.entries(builds).map(([key, build]): [string, ImageBuild] => {
    const fact = facts[key];
    if (fact?.software === undefined || fact.software.known || !("id" in fact.identity)) return [key, build];
    const manifest = fact.path.replace(/\.qcow2$/, ".json");
    const accept = async () =>
      check({ ...facts, [key]: { ...fact, software: await builtSoftware(manifest) } });
    return [key, { ...build, accept }];
  });
  return Object.fromEntries(looked);
}

/** Resolves every image of the lab without building, fetching or uploading anything. */
export async function resolveImages(
  decisions: Decisions,
  name: string,
  requests: readonly ImageRequest[],
  cache: string,
): Promise<ResolvedImages> {
  const facts: Record<string, ImageFact> = {};
  const builds: Record<string, ImageBuild> = {};
  const folder = imageFolder(cache);
  for (const request of requests) {
    switch (request.kind) {
      case "golden": {
        const recipe = await heldRecipe(decisions, name, request);
        const id = recipeId(recipe);
        facts[request.key] = {
          path: imagePath(folder, recipe),
          identity: { id },
          format: { known: true, value: "qcow2" },
          virtualSizeMiB: { known: true, value: recipe.sizeMiB },
          software: await builtSoftware(manifestPath(folder, recipe)),
        };
        builds[request.key] = {
          arguments: ["build", "--recipe-json", "-"],
          stdin: canonicalRecipe(recipe),
          identity: id,
        };
        break;
      }
      case "file":
        facts[request.key] = {
          ...(await fileFact(request.path, request.sha256, cache)),
          software: ownImage,
        };
        break;
      case "url": {
        facts[request.key] = {
          ...(await downloadFact(folder, request.sha256, cache)),
          software: ownImage,
        };
        builds[request.key] = {
          arguments: ["fetch", "--url", request.url, "--sha256", request.sha256],
          identity: request.sha256,
        };
        break;
      }
      case "guest": {
        const id = await heldGuest(decisions, name, request);
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

/** Its packages come at first boot, from the mirror that the image names. */
const ownImage = {
  known: false,
  why: "a cloud image of your own gets its packages when a machine first boots",
} as const;

/** What the image of a manifest has; an image without one is not built yet. */
export async function builtSoftware(manifest: string): Promise<Known<ImageSoftware>> {
  const stored = await storedImage(manifest);
  if (stored !== undefined) return { known: true, value: softwareOf(stored.packages) };
  return { known: false, why: "the new image is not built yet; up looks at it before a machine takes it" };
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
  const { files, packages, revision } = request;
  // Absent where there is none, so that what is kept keeps its name.
  const snapshot = request.kind === "golden" ? request.snapshot : undefined;
  const asked = { packages, files, revision, ...(snapshot === undefined ? {} : { snapshot }) };
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 12);
}

/** The guest software in use on cloud images: that of the release which first served these wishes. */
function heldGuest(
  decisions: Decisions,
  name: string,
  request: ImageRequest & { kind: "guest" },
): Promise<string> {
  return decisions.held(`${name}-guest-${wishes(request)}`, cloudGuestId(), String);
}

/**
 * The recipe in use. A new release of hyperlab proposes another one, which takes effect only when the person changes
 * packages, files or the revision of the image: the name of what is kept is made of exactly these.
 */
async function heldRecipe(
  decisions: Decisions,
  name: string,
  request: ImageRequest & { kind: "golden" },
): Promise<Recipe> {
  const proposal = canonicalRecipe(proposedRecipe(request));
  const kept = await decisions.held(`${name}-recipe-${wishes(request)}`, proposal, String);
  return parseRecipe(kept);
}
