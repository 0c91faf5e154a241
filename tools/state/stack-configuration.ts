import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { prepareState, type StateLayout } from "./layout.ts";

/** The stack configuration that commands write. */
export interface StackConfiguration {
  readonly path: string;
  /** The file as a person knows it. */
  readonly name: string;
  read(): string;
  /** Writes all of it, and brings the copy beside the state in step. */
  write(text: string): void;
}

/**
 * Where a command writes what it declares: the file of the checkout where there is one, so that it is seen and committed
 * like every other setting; else the copy beside the state.
 */
export function stackConfiguration(layout: StateLayout, root: string): StackConfiguration {
  const committed = join(root, `Pulumi.${layout.stack}.yaml`);
  const path = existsSync(committed) ? committed : layout.stackFile;
  return {
    path,
    name: path === committed ? relative(root, path) : path,
    read: () => readFileSync(path, "utf8"),
    write: (text) => {
      replaceFile(path, text);
      prepareState(layout, root);
    },
  };
}

/** Writes a whole file or nothing, with the mode that it has. */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: statSync(path).mode & 0o777 });
    renameSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
}
