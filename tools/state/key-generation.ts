import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import {
  type KeyGenerations,
  type RotatedKey,
  readKeyGenerations,
} from "../../components/hpc-cluster/key-generations.ts";
import { prepareState, type StateLayout } from "./layout.ts";
import { editStackConfig } from "./stack-edit.ts";
import { parseStackFile } from "./stack-file.ts";

/** A generation that is declared, and can be taken back. */
export interface DeclaredGeneration {
  /** The file that declares it, as a person knows it. */
  readonly file: string;
  readonly from: number;
  readonly to: number;
  undo(): void;
}

/** What the stack configuration that is in force declares about keys. */
export function generationsInForce(layout: StateLayout): KeyGenerations {
  const { config } = parseStackFile(readFileSync(layout.stackFile, "utf8"), layout.stackFile);
  return readKeyGenerations(config[`${layout.project}:keys`]);
}

/**
 * Declares the next generation of a key: in the stack file of the checkout where there is one, so that it is seen and
 * committed like every other setting; else in the copy beside the state.
 */
export function declareNextGeneration(
  layout: StateLayout,
  root: string,
  key: RotatedKey,
): DeclaredGeneration {
  const committed = join(root, `Pulumi.${layout.stack}.yaml`);
  const path = existsSync(committed) ? committed : layout.stackFile;
  const before = readFileSync(path, "utf8");
  const declared = generationsInForce(layout)[key];
  const from = declared ?? 1;
  const edited = (text: string, value: number | undefined): string =>
    editStackConfig(text, [{ path: [`${layout.project}:keys`, key], value }]);
  const after = edited(before, from + 1);
  const write = (text: string): void => {
    replaceFile(path, text);
    prepareState(layout, root);
  };
  write(after);
  return {
    file: path === committed ? relative(root, path) : path,
    from,
    to: from + 1,
    // The engine may have written into the file since.
    undo: () => {
      const now = readFileSync(path, "utf8");
      write(now === after ? before : edited(now, declared));
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
