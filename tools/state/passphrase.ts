import { readFileSync } from "node:fs";
import type { StateLayout } from "./layout.ts";

/**
 * The stack's passphrase, from where the engine takes it.
 * @throws Error where there is none: what it protects would be open to everybody.
 */
export function stackPassphrase(layout: StateLayout, env: NodeJS.ProcessEnv): string {
  const file = layout.passphraseFile ?? (env.PULUMI_CONFIG_PASSPHRASE_FILE || undefined);
  const given = layout.passphraseFile === undefined ? env.PULUMI_CONFIG_PASSPHRASE : undefined;
  const passphrase = given || (file === undefined ? "" : readPassphrase(file));
  if (passphrase === "") {
    throw new Error(
      "the stack's passphrase is empty; set one in PULUMI_CONFIG_PASSPHRASE_FILE or PULUMI_CONFIG_PASSPHRASE",
    );
  }
  return passphrase;
}

/**
 * The passphrase in the environment of a program that the engine runs; undefined where there is none, as the stack's
 * secrets are kept by something else then.
 */
export function passphraseIn(env: NodeJS.ProcessEnv): string | undefined {
  const file = env.PULUMI_CONFIG_PASSPHRASE_FILE;
  return env.PULUMI_CONFIG_PASSPHRASE || (file ? readPassphrase(file) : undefined);
}

/**
 * A passphrase from a file, without the line feed at its end.
 * @throws Error where the file cannot be read or is empty.
 */
export function readPassphrase(file: string): string {
  const passphrase = readFileSync(file, "utf8").trim();
  if (passphrase === "") throw new Error(`the passphrase file ${file} is empty`);
  return passphrase;
}
