import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { HpcConfig } from "../../config/index.ts";
import type { PowerDeclarations } from "../../planning/index.ts";
import type { Context } from "../commands/context.ts";
import { prepareState } from "../state/layout.ts";
import { changedLines, declaredPower, withPower } from "./stack-power.ts";

/** A change of the stack configuration that is written, and can be taken back. */
export interface StackEdit {
  /** The file, as a person knows it. */
  readonly file: string;
  /** Lines that went and came; empty where nothing changed. */
  readonly lines: readonly string[];
  undo(): void;
}

/** What the stack configuration that is in force declares about power. */
export function powerInForce({ layout }: Context, config: HpcConfig): PowerDeclarations {
  return declaredPower(readFileSync(layout.stackFile, "utf8"), layout.stackFile, layout.project, config);
}

/**
 * Writes declarations into the stack configuration: into the file of the checkout where there is one, so that they are
 * seen and committed like every other setting; else into the copy beside the state.
 */
export function writePower(context: Context, config: HpcConfig, declarations: PowerDeclarations): StackEdit {
  const { layout, root } = context;
  const committed = join(root, `Pulumi.${layout.stack}.yaml`);
  const path = existsSync(committed) ? committed : layout.stackFile;
  const before = readFileSync(path, "utf8");
  const after = withPower(before, path, layout.project, config, declarations);
  const write = (text: string): void => {
    replaceFile(path, text);
    prepareState(layout, root);
  };
  const lines = changedLines(before, after);
  if (lines.length > 0) write(after);
  return {
    file: path === committed ? relative(root, path) : path,
    lines,
    undo: () => {
      if (lines.length > 0) write(before);
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
