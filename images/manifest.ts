/** What the builder keeps beside each image: its recipe, and the packages that it got. */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";

/** An image in the folder of built images, by its manifest. */
export interface StoredImage {
  /** Identity of the recipe. */
  readonly id: string;
  /** The qcow2 file. */
  readonly path: string;
  readonly manifestPath: string;
  readonly sizeBytes: number;
  readonly builtAt: Date;
  /** Debian version by package. */
  readonly packages: ReadonlyMap<string, string>;
  /** Moment of the package archive that it was built from; undefined: the mirror as it was. */
  readonly snapshot?: string;
}

const manifestSchema = z.object({
  id: z.string().regex(/^[0-9a-f]{16}$/),
  sizeBytes: z.int(),
  packages: z.array(z.string()),
  recipe: z.object({ snapshot: z.string().optional() }),
});

/** Packages with versions from lines like `slurmd 24.11.5-4`. */
export function packageVersions(lines: readonly string[]): Map<string, string> {
  return new Map(
    lines.flatMap((line) => {
      const [name, version] = line.split(" ");
      return name === undefined || version === undefined ? [] : [[name, version] as const];
    }),
  );
}

/** Every image of a folder that has a manifest. A file that is none is left out: it counts as not built. */
export async function storedImages(folder: string): Promise<StoredImage[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const found = await Promise.all(
    names
      .filter((name) => /^[0-9a-f]{16}\.json$/.test(name))
      .map((name) => storedImage(path.join(folder, name))),
  );
  return found.filter((image) => image !== undefined).sort((a, b) => +a.builtAt - +b.builtAt);
}

/** The image of a manifest; undefined where the file is missing, or is no manifest. */
export async function storedImage(manifestPath: string): Promise<StoredImage | undefined> {
  const [content, status] = await Promise.all([
    readFile(manifestPath, "utf8").catch(() => ""),
    stat(manifestPath).catch(() => undefined),
  ]);
  const parsed = manifestSchema.safeParse(jsonOf(content));
  if (!parsed.success || status === undefined) return undefined;
  const { id, packages, recipe, sizeBytes } = parsed.data;
  return {
    id,
    path: manifestPath.replace(/\.json$/, ".qcow2"),
    manifestPath,
    sizeBytes,
    builtAt: status.mtime,
    packages: packageVersions(packages),
    ...(recipe.snapshot === undefined ? {} : { snapshot: recipe.snapshot }),
  };
}

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
