import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/**
 * Links the Node among the dependencies to node_modules/.bin/node, where programs and plugins look for it. npm 10 leaves
 * this link out, npm 11 makes it.
 * @param {string} root the checkout
 */
export function linkNode(root) {
  const folder = join(root, "node_modules", ".bin");
  const target = join("..", `node-${process.platform}-${process.arch}`, "bin", "node");
  const link = join(folder, "node");
  if (existsSync(link) || !existsSync(join(root, "node_modules", target.slice("../".length)))) return;
  mkdirSync(folder, { recursive: true });
  // A link to a package that is gone stands in the way without existing.
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) rmSync(link);
  symlinkSync(target, link);
}
