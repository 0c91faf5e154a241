import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Known } from "../planning/facts.ts";
import { type PresentForward, presentForwards, UNIT_FOLDER } from "../planning/forward-units.ts";
import { isRemote } from "./remote.ts";

/**
 * The ports of a host that lead to login machines. Only this machine's own files can be read.
 * @param folder Where the administrator's units are; another one in tests.
 */
export function forwardsFact(uri: string, folder: string = UNIT_FOLDER): Known<PresentForward[]> {
  if (isRemote(uri)) return { known: false, why: "the units of a remote host are not read" };
  try {
    const names = readdirSync(folder).filter((name) => /^hyperlab-forward-.*\.(socket|service)$/.test(name));
    const files = names.map(
      (name) => [join(UNIT_FOLDER, name), readFileSync(join(folder, name), "utf8")] as const,
    );
    return { known: true, value: presentForwards(new Map(files)) };
  } catch (error) {
    // Without systemd there are none.
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return { known: true, value: [] };
    return { known: false, why: error instanceof Error ? error.message : String(error) };
  }
}
