import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { imagesDirectory } from "../../images/guest.ts";
import { namespaceShell } from "./namespace-shell.ts";
import { slurmTree } from "./slurm-tree.ts";

/** A compute node's units under a real systemd; SLURM and the server of the homes are stand-ins (node-systemd.sh). */
export interface NodeSystemd {
  /** Runs a shell command on the node; it must succeed. */
  node(command: string): Promise<string>;
  /** What was noticed on the node so far, in order. */
  seen(): Promise<string[]>;
  /** Makes something so: the server of the homes `answers` or `refuses`, the job that slurmd starts at once `ends`. */
  let(what: "answers" | "refuses" | "ends"): Promise<void>;
  unlet(what: "refuses"): Promise<void>;
  /** Whether the node is off within half a minute. */
  isGone(): Promise<boolean>;
  stop(): Promise<void>;
}

const HOME_UNITS =
  "import json; from hyperlab import machine; print(json.dumps(machine.nfs_home_units('10.0.0.1:/srv/hyperlab/home')))";

/** The mount of homes as the guest writes it. */
function homeUnits(guest: string): Record<string, string> {
  const env = { ...process.env, PYTHONPATH: join(guest, "hyperlab"), PYTHONDONTWRITEBYTECODE: "1" };
  const text = execFileSync("python3", ["-c", HOME_UNITS], { env, encoding: "utf8" });
  return z.record(z.string(), z.string()).parse(JSON.parse(text));
}

/**
 * Boots the node up to the point where the controller has said that its key is current.
 * @throws Error without root rights: automounts belong to the first user namespace.
 */
export async function bootNode(): Promise<NodeSystemd> {
  if (process.getuid?.() !== 0) throw new Error("a node's systemd needs root: run the tests as root");
  const library = join(imagesDirectory(), "guest", "usr", "lib");
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-node-"));
  for (const name of ["homes", "memory"]) mkdirSync(join(folder, name));
  for (const [name, text] of Object.entries(homeUnits(library)))
    writeFileSync(join(folder, "homes", name), text);
  const script = fileURLToPath(new URL("node-systemd.sh", import.meta.url));
  const places = [
    slurmTree(),
    join(library, "systemd", "system"),
    join(folder, "homes"),
    join(folder, "memory"),
  ];
  const { shell } = await namespaceShell(script, places);
  const node = async (command: string): Promise<string> => {
    const { code, text } = await shell.ask(`node ${command}`);
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${text}`);
    return text.trim();
  };
  return {
    node,
    seen: async () => (await shell.ask("seen")).text.trim().split("\n"),
    let: async (what) => void (await shell.ask(`let ${what}`)),
    unlet: async (what) => void (await shell.ask(`unlet ${what}`)),
    isGone: async () => (await shell.ask("gone")).code === 0,
    async stop() {
      await shell.ask("end");
      await shell.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
