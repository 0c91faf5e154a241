import { readFileSync } from "node:fs";
import {
  type KeyGenerations,
  type RotatedKey,
  readKeyGenerations,
} from "../../components/hpc-cluster/key-generations.ts";
import type { StateLayout } from "./layout.ts";
import { stackConfiguration } from "./stack-configuration.ts";
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

/** Declares the next generation of a key in the stack configuration. */
export function declareNextGeneration(
  layout: StateLayout,
  root: string,
  key: RotatedKey,
): DeclaredGeneration {
  const file = stackConfiguration(layout, root);
  const before = file.read();
  const declared = generationsInForce(layout)[key];
  const from = declared ?? 1;
  const edited = (text: string, value: number | undefined): string =>
    editStackConfig(text, [{ path: [`${layout.project}:keys`, key], value }]);
  const after = edited(before, from + 1);
  file.write(after);
  return {
    file: file.name,
    from,
    to: from + 1,
    // The engine may have written into the file since.
    undo: () => {
      const now = file.read();
      file.write(now === after ? before : edited(now, declared));
    },
  };
}
