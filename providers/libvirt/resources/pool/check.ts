import type { CheckFailure } from "../../../plugin/types.ts";
import type { PropertyMap } from "../../../plugin/values.ts";

/** What the field table cannot say: the path is written in one way only, and leaves the root of the host alone. */
export function checkPool(inputs: PropertyMap): CheckFailure[] {
  const { path } = inputs;
  if (typeof path !== "string" || !path.startsWith("/")) return [];
  const parts = path.split("/").slice(1);
  if (parts.some((part) => part === "" || part === "." || part === "..")) {
    const reason = `"${path}" must be written without "//", ".", ".." and without a "/" at the end, for example "/srv/lab"`;
    return [{ property: "path", reason }];
  }
  return [];
}
