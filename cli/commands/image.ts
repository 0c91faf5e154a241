import { createContext } from "../../tools/commands/context.ts";
import { imageList, imagePrune } from "../../tools/commands/image.ts";
import { imageUpdate } from "../../tools/commands/image-update.ts";
import type { Cli, StackOptions } from "../cli.ts";

interface UpdateOptions extends StackOptions {
  snapshot?: string;
  newest?: boolean;
  dryRun?: boolean;
  yes?: boolean;
  json?: boolean;
}

/** The commands for the images that hyperlab builds: list, update, prune. */
export function addImageCommands(cli: Cli): void {
  const image = cli.group("image", "the images that hyperlab builds: list, update, prune");
  cli
    .onStack("list", "show the images that were built on this machine, and who uses them", "", image)
    .option("--json", "print JSON instead of a table")
    .action(
      cli.action(async ({ json = false, stack }: StackOptions & { json?: boolean }) =>
        imageList(createContext(stack), { json }),
      ),
    );
  cli
    .onStack("update", "show what a newer image would bring, and take it", "", image)
    .option("--snapshot <date>", "packages as they were then, such as 2026-11-01 or 20261101T000000Z")
    .option("--newest", "the newest packages (default)")
    .option("--dry-run", "only show")
    .option("--json", "print what changes as JSON; only with --dry-run")
    .option("-y, --yes", "do not ask before the cluster file is written and machines are rebuilt")
    .addHelpText(
      "after",
      "\nCompares the packages that an image made now would have with those of the image in use. Writes image.snapshot or\nimage.revision into the cluster file, and goes on as up does: preview, question, roll-out.",
    )
    .action(
      cli.action(async (options: UpdateOptions) => {
        const { dryRun = false, json = false, newest, snapshot, stack, yes = false } = options;
        if (newest === true && snapshot !== undefined)
          throw new Error("--newest and --snapshot exclude each other");
        if (json && !dryRun) throw new Error("--json needs --dry-run");
        const wish = snapshot === undefined ? {} : { snapshot };
        return imageUpdate(createContext(stack), { ...wish, dryRun, json, yes });
      }),
    );
  cli
    .onStack("prune", "remove built images that no stack uses", "", image)
    .option("-y, --yes", "do not ask")
    .action(
      cli.action(async ({ stack, yes = false }: StackOptions & { yes?: boolean }) =>
        imagePrune(createContext(stack), { yes }),
      ),
    );
}
