import { LibvirtConnectionError } from "../../../client/errors.ts";

/** A daemon that goes away that often during one step is not just restarted. */
const tries = 3;

/**
 * Carries out a step that comes to the same when it is done twice; again where the connection ended before the answer,
 * because the daemon was restarted or the way to it broke.
 */
export async function again<T>(step: () => Promise<T>): Promise<T> {
  for (let left = tries - 1; ; left -= 1) {
    try {
      return await step();
    } catch (error) {
      const lost = error instanceof LibvirtConnectionError && error.kind === "lost";
      if (!lost || left === 0) throw error;
    }
  }
}
