import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hostMirror } from "../../images/mirror.ts";

/** Debian 13's own SLURM, a database and OpenSSH's server, without a kernel or services; some 300 MB. */
const PACKAGES = [
  "slurmctld",
  "slurmd",
  "slurm-client",
  "slurmdbd",
  "slurm-wlm-basic-plugins",
  "slurm-wlm-mysql-plugin",
  "mariadb-server-core",
  "mariadb-client",
  "libpam-slurm-adopt",
  "openssh-server",
];
const EXCLUDED = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*"];

/** The programs run as root of namespaces of their own; without root rights those of a user namespace. */
export const asNamespaceRoot =
  process.getuid?.() === 0 ? [] : ["--user", "--map-auto", "--setuid=0", "--setgid=0"];

/** Arguments of `unshare` for a shell script in namespaces of its own, which end with it. */
export const scriptInNamespaces = (script: string): string[] => [
  ...[...asNamespaceRoot, "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child"],
  ...["bash", script],
];

/**
 * Folder with a Debian 13 tree that holds slurmctld, built once (half a minute) and kept in the user's cache.
 *
 * @throws Error that names what to install where mmdebstrap is missing or fails.
 */
export function slurmTree(): string {
  const key = createHash("sha256").update(PACKAGES.join()).digest("hex").slice(0, 12);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "hyperlab", "slurm-tree");
  const tree = join(cache, `trixie-${key}`);
  if (existsSync(tree)) return tree;
  mkdirSync(cache, { recursive: true });
  const temporary = join(cache, `building-${process.pid}`);
  const result = spawnSync(
    "mmdebstrap",
    [
      `--mode=${asNamespaceRoot.length === 0 ? "root" : "unshare"}`,
      "--variant=minbase",
      "--quiet",
      `--include=${PACKAGES.join()}`,
      ...EXCLUDED.map((path) => `--dpkgopt=path-exclude=${path}`),
      "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
      "trixie",
      temporary,
      mirror(),
    ],
    { encoding: "utf8" },
  );
  if (result.status !== 0) {
    rmSync(temporary, { recursive: true, force: true });
    throw new Error(
      `no Debian tree with slurmctld: ${result.error?.message ?? result.stderr}\n` +
        "The test needs mmdebstrap, debian-archive-keyring and a Debian mirror: apt install mmdebstrap debian-archive-keyring uidmap",
    );
  }
  renameSync(temporary, tree);
  return tree;
}

function mirror(): string {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const distribution = /^ID=(.*)$/m.exec(release)?.[1] ?? "";
  const folder = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ].filter((path) => existsSync(path));
  return hostMirror(
    distribution,
    files.map((path) => ({ name: path, text: readFileSync(path, "utf8") })),
  ).main;
}

export interface SlurmFiles {
  "slurm.conf": string;
  "cgroup.conf": string;
  "gres.conf"?: string;
  "topology.conf"?: string;
  "slurmdbd.conf"?: string;
}

export interface SlurmBoot {
  /** Whether slurmctld answered; else it ended by itself. */
  up: boolean;
  /** From start to the first answer, in ms. */
  milliseconds: number;
  log: string;
  /** Fields of `scontrol show node`, by node name. */
  nodes: Map<string, Record<string, string>>;
  partitions: Map<string, Record<string, string>>;
  /** Fields of `scontrol show config`. */
  config: Record<string, string>;
  /** What `scontrol show -o` printed. */
  shown: { nodes: string; partitions: string };
  /** Clusters that the accounting database knows. */
  clusters: string;
  /** What it showed after each further configuration. */
  again: { nodes: SlurmBoot["nodes"]; partitions: SlurmBoot["partitions"] }[];
}

/**
 * Starts a real slurmctld on the files, asks it what it understood, and ends it.
 *
 * @param accounting With slurmdbd and MariaDB as well.
 * @param options.commands Shell commands inside, before it is asked.
 * @param options.further Configurations that it is given afterwards, one after the other, with `scontrol reconfigure`.
 */
export function bootSlurm(
  files: SlurmFiles,
  controller: { name: string; address: string },
  accounting: boolean,
  { commands = [], further = [] }: { commands?: readonly string[]; further?: readonly SlurmFiles[] } = {},
): SlurmBoot {
  const tree = slurmTree();
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-slurm-"));
  try {
    writeFiles(folder, files);
    for (const [index, next] of further.entries()) writeFiles(join(folder, againName(index)), next);
    writeFileSync(join(folder, "slurm.jwks"), slurmJwks());
    writeFileSync(join(folder, "commands"), commands.map((command) => `${command}\n`).join(""));
    const script = fileURLToPath(new URL("slurm-boot.sh", import.meta.url));
    const result = spawnSync(
      "unshare",
      [
        ...scriptInNamespaces(script),
        ...[tree, folder, controller.name, controller.address, accounting ? "accounting" : "alone"],
      ],
      { encoding: "utf8", timeout: 250_000, maxBuffer: 256 * 1024 * 1024 },
    );
    if (result.status !== 0) {
      throw new Error(
        `${script} failed (${result.error?.message ?? result.status}):\n${result.stdout}${result.stderr}`,
      );
    }
    return parseBoot(result.stdout, further.length);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const againName = (index: number) => `again-${index}`;

function writeFiles(folder: string, files: SlurmFiles): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
}

/** A key for `slurm.jwks` that nothing else has. */
export function slurmJwks(): string {
  const k = randomBytes(64).toString("base64url");
  return JSON.stringify({ keys: [{ alg: "HS256", kty: "oct", kid: "test-1", use: "default", k }] });
}

function parseBoot(output: string, further: number): SlurmBoot {
  const sections = new Map<string, string>();
  let verdict = "";
  for (const part of output.split(/^== /m).slice(1)) {
    const end = part.indexOf("\n");
    const head = part.slice(0, end);
    if (/^(up|exited) /.test(head)) verdict = head;
    else sections.set(head, part.slice(end + 1));
  }
  const objects = (name: string, key: string) =>
    new Map(
      (sections.get(name) ?? "")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => {
          const fields = Object.fromEntries(
            [...line.matchAll(/(\w+)=(\S*)/g)].map((match) => [match[1], match[2]]),
          );
          return [fields[key] ?? "", fields];
        }),
    );
  const config = [...(sections.get("config") ?? "").matchAll(/^(\w+)\s+= (.*)$/gm)];
  return {
    up: verdict.startsWith("up"),
    milliseconds: Number(/^up (\d+)/.exec(verdict)?.[1] ?? Number.NaN),
    log: sections.get("log") ?? output,
    nodes: objects("nodes", "NodeName"),
    partitions: objects("partitions", "PartitionName"),
    config: Object.fromEntries(config.map((match) => [match[1] ?? "", (match[2] ?? "").trim()])),
    shown: { nodes: sections.get("nodes") ?? "", partitions: sections.get("partitions") ?? "" },
    clusters: sections.get("clusters") ?? "",
    again: Array.from({ length: further }, (_, index) => ({
      nodes: objects(`nodes ${againName(index)}`, "NodeName"),
      partitions: objects(`partitions ${againName(index)}`, "PartitionName"),
    })),
  };
}
