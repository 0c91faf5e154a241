import type { ImageRequest } from "../planning/facts.ts";
import { guestDigest } from "./guest.ts";
import { type Recipe, slurmRecipe } from "./recipe.ts";

/** The recipe that this release of hyperlab has for what a cluster file asks of its image. */
export function proposedRecipe(request: ImageRequest & { kind: "golden" }): Recipe {
  return slurmRecipe(guestDigest(), {
    packages: request.packages,
    ...(request.snapshot === undefined ? {} : { snapshot: request.snapshot }),
    files: [
      ...request.files.map((file) => ({
        path: file.path,
        content: file.content,
        mode: Number.parseInt(file.mode, 8),
      })),
      { path: "/etc/hyperlab/image-revision", content: `${request.revision}\n` },
    ],
  });
}
