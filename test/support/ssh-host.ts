import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OwnLibvirtd } from "./libvirtd.ts";
import { Sshd } from "./sshd.ts";

/** An sshd of a test's own, and an ssh that finds it under a name of its own configuration. */
export interface OwnSshHost {
  /** Name of the host in the configuration that `path` makes ssh use. */
  readonly host: string;
  /** Value for PATH: its first directory has an ssh that reads our configuration file instead of the user's. */
  readonly path: string;
  /** Ends the sessions that are open; new ones are served. */
  dropSessions(): Promise<void>;
  /** How many sessions are open. */
  sessions(): Promise<number>;
  /** Ends the sessions and listens no more, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
}

/** For `command`: runs what is asked for where the daemon is, whose network and folders are the host's. */
export function shellOf({ directory }: OwnLibvirtd): string {
  const namespaces = `/proc/$(cat ${directory}/libvirtd.pid)/ns`;
  return `exec nsenter --mount=${namespaces}/mnt --net=${namespaces}/net sh -c "$SSH_ORIGINAL_COMMAND"`;
}

export interface OwnSshHostOptions {
  /**
   * Command of the host's shell that runs instead of what a client asks for, which is in `SSH_ORIGINAL_COMMAND`. Default:
   * what is asked for. A session that only forwards has none.
   */
  readonly command?: string;
}

export async function startOwnSshHost({ command }: OwnSshHostOptions = {}): Promise<OwnSshHost> {
  const sshd = await Sshd.start(command === undefined ? {} : { config: [`ForceCommand ${command}`] });
  const host = "hyperlab-test-host";
  const inFolder = (name: string) => join(sshd.folder, name);
  await chmod(inFolder("client"), 0o600);
  await writeFile(inFolder("known_hosts"), `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
  await writeFile(inFolder("ssh_config"), configuration(sshd, host));
  await mkdir(inFolder("bin"));
  await writeFile(inFolder("bin/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F "${inFolder("ssh_config")}" "$@"\n`);
  await chmod(inFolder("bin/ssh"), 0o755);
  return {
    host,
    path: `${inFolder("bin")}:${process.env.PATH ?? ""}`,
    dropSessions: () => dropSessions(inFolder("pid")),
    sessions: async () => (await sessions(inFolder("pid"))).length,
    down: async () => {
      await dropSessions(inFolder("pid"));
      await sshd.end();
    },
    up: () => sshd.run(),
    stop: async () => {
      await dropSessions(inFolder("pid"));
      await sshd.stop();
    },
  };
}

function configuration(sshd: Sshd, host: string): string {
  return `Host ${host}
  HostName 127.0.0.1
  Port ${sshd.port}
  IdentityFile ${sshd.folder}/client
Host *
  IdentitiesOnly yes
  UserKnownHostsFile ${sshd.folder}/known_hosts
  GlobalKnownHostsFile /dev/null
`;
}

/** sshd has one child for each session. */
async function sessions(pidFile: string): Promise<number[]> {
  const pid = (await readFile(pidFile, "utf8")).trim();
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children
    .split(" ")
    .map(Number)
    .filter((child) => child > 1);
}

async function dropSessions(pidFile: string): Promise<void> {
  for (const session of await sessions(pidFile)) process.kill(session, "SIGTERM");
}
