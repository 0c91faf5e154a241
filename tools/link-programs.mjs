import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/**
 * Links the Node among the dependencies to node_modules/.bin/node, where programs and plugins look for it. npm 10 leaves
 * this link out, npm 11 makes it.
 * @param {string} root the checkout
 */
export function linkNode(root) {
  linkProgram(root, "node", join("..", `node-${process.platform}-${process.arch}`, "bin", "node"));
}

/**
 * Links the command of this checkout to node_modules/.bin/hyperlab, where `npx hyperlab` finds it: npm links the commands
 * of dependencies only.
 * @param {string} root the checkout
 */
export function linkHyperlab(root) {
  linkProgram(root, "hyperlab", join("..", "..", "cli", "hyperlab.mjs"));
}

/** A link in node_modules/.bin, unless it is there or what it leads to is not. */
function linkProgram(root, name, target) {
  const folder = join(root, "node_modules", ".bin");
  const link = join(folder, name);
  if (existsSync(link) || !existsSync(join(folder, target))) return;
  mkdirSync(folder, { recursive: true });
  // A link to what is gone stands in the way without existing.
  if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) rmSync(link);
  symlinkSync(target, link);
}
