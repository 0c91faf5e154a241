import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Files that make a lab's machines reachable with pinned host keys. */
export interface SshFiles {
  folder: string;
  config: string;
  knownHosts: string;
}

/** Places of a stack's files; creates nothing. */
export function sshFiles(stateFolder: string, stack: string): SshFiles {
  const folder = join(stateFolder, "ssh", stack);
  return { folder, config: join(folder, "config"), knownHosts: join(folder, "known_hosts") };
}

/**
 * Text of the client configuration: the stack's block, then where the pinned keys are, then the user's own settings.
 * OpenSSH takes the first value that it finds, so the stack's block wins.
 */
export function sshConfigText(
  block: string,
  files: SshFiles,
  identities: readonly string[],
  userConfig: string,
): string {
  return [
    block.trimEnd(),
    "",
    "Match all",
    `  UserKnownHostsFile "${files.knownHosts}"`,
    "  GlobalKnownHostsFile /dev/null",
    ...identities.map((identity) => `  IdentityFile "${identity}"`),
    `  Include "${userConfig}"`,
    "",
  ].join("\n");
}

/** Names of the `Host` lines of a client configuration, in order. */
export function hostNames(config: string): string[] {
  return config.split("\n").flatMap((line) => {
    const names = /^\s*Host\s+(.*)$/i.exec(line)?.[1]?.trim().split(/\s+/) ?? [];
    return names.filter((name) => !/[*?!]/.test(name));
  });
}

/** Writes the files; only the user reads them. */
export function writeSshFiles(files: SshFiles, config: string, knownHosts: string): void {
  mkdirSync(files.folder, { recursive: true, mode: 0o700 });
  writeFileSync(files.config, config, { mode: 0o600 });
  writeFileSync(files.knownHosts, knownHosts, { mode: 0o600 });
}

/** Removes the files of a stack that is gone. */
export function removeSshFiles(files: SshFiles): void {
  if (existsSync(files.folder)) rmSync(files.folder, { recursive: true });
}
