import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { publicKeysIn } from "../tools/ssh/public-keys.ts";

/** Who runs hyperlab and the public keys that may log in. */
export interface Invoker {
  readonly name: string;
  readonly sshKeys: string[];
}

/**
 * Who counts as the person who runs hyperlab on a later run: whoever did first, with the keys of then. Who had none then
 * could not log in, so the keys of now count.
 */
export function keptInvoker(kept: Invoker, now: Invoker): Invoker {
  return kept.sshKeys.length > 0 ? kept : { ...kept, sshKeys: now.sshKeys };
}

/** The same person with the keys of whoever rotated them, as they were then. */
export function rotatedInvoker(first: Invoker, keys: string[], now: Invoker): Invoker {
  const rotated = keptInvoker({ name: first.name, sshKeys: keys }, now);
  return keptInvoker(rotated, first);
}

/**
 * The person who runs the program: the default user of a cluster that declares none.
 *
 * Keys are all of `~/.ssh/*.pub` and of `stateDirectory`, where `npm run up` puts one for a person who has none.
 * Root becomes `lab`, because jobs are not to run as root.
 */
export function readInvoker(stateDirectory: string, home: string = homedir()): Invoker {
  const name = userInfo().username;
  const keys = [join(home, ".ssh"), stateDirectory].flatMap(publicKeysIn);
  return { name: name === "root" ? "lab" : name, sshKeys: [...new Set(keys)].sort() };
}
