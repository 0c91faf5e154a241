/** Everything that a libvirt host holds, to tell whether a stack left it as it found it. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import type { OwnLibvirtd } from "../../support/libvirtd.ts";

export interface Inventory {
  /** Definitions by name. */
  readonly domains: Readonly<Record<string, string>>;
  readonly networks: Readonly<Record<string, string>>;
  readonly pools: Readonly<Record<string, string>>;
  /** `POOL/VOLUME` of active pools. */
  readonly volumes: readonly string[];
  /** Files and directories below the host's directory, without logs, caches and what is only about running guests. */
  readonly files: readonly string[];
  /** Network devices of the host. */
  readonly links: readonly string[];
}

/** Reads the host. Pools are looked at afresh. */
export async function inventory(libvirt: LibvirtClient, host: OwnLibvirtd): Promise<Inventory> {
  const domains = await described(await libvirt.domainList(), (ref) =>
    libvirt.domainGetXmlDesc(ref, { inactive: true }),
  );
  const networks = await described(await libvirt.networkList(), (ref) =>
    libvirt.networkGetXmlDesc(ref, { inactive: true }),
  );
  const refs = await libvirt.storagePoolList();
  // Without the sizes, which change with every file on the same file system.
  const pools = await described(refs, async (ref) =>
    (await libvirt.storagePoolGetXmlDesc(ref, { inactive: true })).replace(
      /<(capacity|allocation|available).*/g,
      "",
    ),
  );
  const volumes: string[] = [];
  for (const pool of refs) {
    if (!(await libvirt.storagePoolIsActive(pool))) continue;
    await libvirt.storagePoolRefresh(pool);
    volumes.push(
      ...(await libvirt.storagePoolListVolumes(pool)).map((volume) => `${pool.name}/${volume.name}`),
    );
  }
  return { domains, networks, pools, volumes: volumes.sort(), files: filesOf(host), links: linksOf(host) };
}

async function described<Ref extends { readonly name: string }>(
  refs: readonly Ref[],
  describe: (ref: Ref) => Promise<string>,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const ref of refs) found[ref.name] = await describe(ref);
  return found;
}

/** Kept by libvirt and QEMU for people or for speed, or about what runs: not what a stack owns. */
const notOwned = /^(cache|log|run)\/|^libvirtd\.pid$/;
/** libvirt makes folders here at its first need and keeps them. */
const ownFolders = /^(cache|log|run|etc|lib)(\/|$)/;

function filesOf(host: OwnLibvirtd): string[] {
  return readdirSync(host.directory, { recursive: true, withFileTypes: true })
    .map((entry) => ({ entry, name: relative(host.directory, join(entry.parentPath, entry.name)) }))
    .filter(({ entry, name }) => (entry.isDirectory() ? !ownFolders.test(name) : !notOwned.test(name)))
    .map(({ name }) => name)
    .sort();
}

function linksOf(host: OwnLibvirtd): string[] {
  const text = inNamespace(host, "net", ["ip", "-o", "link"]);
  return [...text.matchAll(/^\d+: ([^:@]+)/gm)].map((match) => match[1] ?? "").sort();
}

/** Runs a program in a namespace of the host's daemon and returns its output. */
export function inNamespace(host: OwnLibvirtd, kind: "mount" | "net", command: readonly string[]): string {
  const pid = readFileSync(join(host.directory, "libvirtd.pid"), "utf8").trim();
  const flag = kind === "mount" ? `--mount=/proc/${pid}/ns/mnt` : `--net=/proc/${pid}/ns/net`;
  return execFileSync("nsenter", [flag, ...command], { encoding: "utf8" });
}
