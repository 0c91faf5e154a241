import { readdirSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";

/** Who runs hyperlab and the public keys that may log in. */
export interface Invoker {
  readonly name: string;
  readonly sshKeys: string[];
}

/**
 * The person who runs the program: the default user of a cluster that declares none.
 *
 * Keys are all of `~/.ssh/*.pub` and of `stateDirectory`, where `npm run up` puts one for a person who has none.
 * Root becomes `lab`, because jobs are not to run as root.
 */
export function readInvoker(stateDirectory: string): Invoker {
  const name = userInfo().username;
  const keys = [join(homedir(), ".ssh"), stateDirectory].flatMap(publicKeys);
  return { name: name === "root" ? "lab" : name, sshKeys: [...new Set(keys)].sort() };
}

function publicKeys(directory: string): string[] {
  return list(directory)
    .filter((file) => file.endsWith(".pub"))
    .map((file) => readFileSync(join(directory, file), "utf8").trim())
    .filter((line) => /^(ssh-|ecdsa-|sk-)[^\s]+ [A-Za-z0-9+/=]+( |$)/.test(line));
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}
