/** Where an update of the image goes. Pure. */
import type { HpcConfig, ImageConfig } from "../../config/index.ts";
import type { ImageSoftware } from "../../planning/index.ts";
import { judgeMariadbChange, judgeSlurmChange, type Objection } from "../../planning/software/judge.ts";
import type { ImageChoice } from "./edit-file.ts";

/** What the person asked for. */
export interface UpdateWish {
  /** A moment as the person wrote it; undefined: the newest packages. */
  readonly snapshot?: string;
}

/**
 * What the cluster file is to say. A moment that it has moves; a file without one takes the mirror as it is, under a new
 * revision.
 *
 * @param isBuilt Whether the image of a revision is there already, with the packages of an earlier day.
 */
export function chooseImage(
  image: ImageConfig,
  wish: UpdateWish,
  now: Date,
  isBuilt: (revision: number) => boolean,
): ImageChoice {
  if (wish.snapshot !== undefined) return { snapshot: wish.snapshot };
  if (image.snapshot === undefined) {
    let revision = image.revision + 1;
    while (isBuilt(revision)) revision += 1;
    return { revision };
  }
  const moment = now.toISOString().replace(/[-:]|\.\d+/g, "");
  return { snapshot: moment };
}

/** @throws Error where the cluster has an image that hyperlab does not build. */
export function mustBeBuilt(config: HpcConfig): void {
  if (config.image.source.kind === "golden") return;
  throw new Error(
    "The cluster has a cloud image of your own, whose packages come from its mirror when a machine first boots. " +
      "Raise image.revision in the cluster file to make the machines anew with the newest ones.",
  );
}

/** What forbids to go from one image to another; the preview says it again, for each machine. */
export function objectionsTo(before: ImageSoftware, after: ImageSoftware): Objection[] {
  const pairs = [
    [before.slurm, after.slurm, judgeSlurmChange],
    [before.mariadb, after.mariadb, judgeMariadbChange],
  ] as const;
  return pairs.flatMap(([was, is, judge]) =>
    was === undefined || is === undefined ? [] : (judge(was, is) ?? []),
  );
}
