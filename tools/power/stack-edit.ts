import { readFileSync } from "node:fs";
import type { HpcConfig } from "../../config/index.ts";
import type { PowerDeclarations } from "../../planning/index.ts";
import type { Context } from "../commands/context.ts";
import { stackConfiguration } from "../state/stack-configuration.ts";
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

/** Writes declarations into the stack configuration. */
export function writePower(context: Context, config: HpcConfig, declarations: PowerDeclarations): StackEdit {
  const { layout, root } = context;
  const file = stackConfiguration(layout, root);
  const before = file.read();
  const after = withPower(before, file.path, layout.project, config, declarations);
  const lines = changedLines(before, after);
  if (lines.length > 0) file.write(after);
  return {
    file: file.name,
    lines,
    undo: () => {
      if (lines.length > 0) file.write(before);
    },
  };
}
