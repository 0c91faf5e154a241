/** What a phase came to, as lines that can be compared with those of another run. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parseDeployment, recordedResources } from "../../tools/state/checkpoint.ts";
import { lockState } from "../../tools/state/lock.ts";
import { comparableDefinition } from "../engine/support/comparable.ts";
import { inNamespace } from "../engine/support/inventory.ts";
import type { Lab, Stack } from "../engine/support/lab.ts";
import { processesWith } from "../engine/support/processes.ts";
import type { OwnLibvirtd } from "../support/libvirtd.ts";
import { bridge, macs } from "./cycle.ts";

/** Everything on the host and in the state, without what is random or counted in every object. */
export async function outcomeOf(lab: Lab, stack: Stack, pool: string): Promise<string[]> {
  const { domains, networks, pools, volumes, files, links } = await lab.inventory();
  const plain = (text: string) => comparableDefinition(text, macs);
  const definitions = Object.entries({ domain: domains, network: networks, pool: pools }).flatMap(
    ([kind, described]) =>
      Object.entries(described).flatMap(([name, xml]) =>
        xml
          // A daemon that built a pool knows these until it ends; the folder itself is compared.
          .replace(/<permissions>[\s\S]*?<\/permissions>/, "")
          .split("\n")
          .filter((line) => line.trim() !== "")
          .map((line) => `${kind} ${name}: ${plain(line).trim()}`),
      ),
  );
  const running = await boots(lab);
  const lines = [
    ...definitions,
    ...Object.entries({
      volume: volumes,
      file: files.filter((file) => !isForgotten(file, running)),
      link: links,
    }).flatMap(([kind, names]) => names.map((name) => `${kind}: ${plain(name)}`)),
    ...contentsOf(pool).map(plain),
    ...(await powers(lab)),
    ...stateOf((await stack.state()).text).map(plain),
    `lock: ${lockState(stack.project.layout).kind}`,
    `guests as processes: ${(await processesWith(`${pool}/`)).length}`,
    `name servers as processes: ${(await nameServers(lab.host)).length}`,
    ...firewallRules(lab.host),
  ];
  return lines.sort();
}

/**
 * libvirtd's own folder for a guest whose start it did not finish, because it was killed: the next daemon does not know
 * of it, and nobody else may remove it. A guest's process that is left over is counted by itself.
 */
export function isForgotten(file: string, running: ReadonlyMap<string, number>): boolean {
  // A later daemon counts from the start again.
  const [, number, name = ""] = /^lib\/qemu\/domain-(\d+)-([^/]+)/.exec(file) ?? [];
  return number !== undefined && running.get(name) !== Number(number);
}

/** The pool's folder and every file in it: whose it is, and a sum of its content. */
function contentsOf(pool: string): string[] {
  if (!existsSync(pool)) return ["content: no pool"];
  const files = readdirSync(pool).map((name) => {
    const path = join(pool, name);
    const sum = createHash("sha256").update(readFileSync(path)).digest("base64url");
    return `content ${name}: ${permissionsOf(path)} ${sum}`;
  });
  return [`content: ${permissionsOf(pool)}`, ...files];
}

function permissionsOf(path: string): string {
  const { mode, uid, gid } = statSync(path);
  return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
}

/** Processes of libvirt's name servers on the host. */
export async function nameServers(host: OwnLibvirtd): Promise<number[]> {
  const all = await processesWith("--conf-file=/var/lib/libvirt/dnsmasq/");
  // Those of other hosts have other mounts.
  const own = `/${basename(host.directory)}/run /run/libvirt `;
  return all.filter((pid) => readIfThere(`/proc/${pid}/mountinfo`).includes(own));
}

/** A process may end between the list and the look. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** libvirt's rules for the lab's bridge. */
function firewallRules(host: OwnLibvirtd): string[] {
  const rules = inNamespace(host, "net", ["sh", "-c", "iptables-save; ip6tables-save"]).split("\n");
  return rules.filter((rule) => rule.includes(` ${bridge} `)).map((rule) => `firewall rule: ${rule}`);
}

async function powers({ libvirt }: Lab): Promise<string[]> {
  const found: string[] = [];
  for (const ref of await libvirt.domainList()) {
    found.push(`power ${ref.name}: ${(await libvirt.domainGetState(ref)).state}`);
  }
  return found;
}

function stateOf(text: string): string[] {
  const deployment: unknown = JSON.parse(text);
  const resources = recordedResources(deployment).map((resource) => {
    const { urn, inputs, outputs }: Record<string, unknown> = { ...Object(resource) };
    return `state ${urn}: ${JSON.stringify(sorted([inputs, outputs]))}`;
  });
  return [
    ...resources,
    ...parseDeployment(deployment).pending.map(({ type, urn }) => `pending: ${type} ${urn}`),
  ];
}

/** With the keys of objects in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)]),
  );
}

/** `missing` and `unexpected` lines; nothing where both are the same. */
export function difference(wanted: readonly string[], found: readonly string[]): string[] {
  return [
    ...without(wanted, found).map((line) => `missing: ${line}`),
    ...without(found, wanted).map((line) => `unexpected: ${line}`),
  ];
}

function without(lines: readonly string[], taken: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of taken) counts.set(line, (counts.get(line) ?? 0) + 1);
  return lines.filter((line) => {
    const count = counts.get(line) ?? 0;
    counts.set(line, count - 1);
    return count <= 0;
  });
}

/** Numbers of the guests that run: one that was started again, or whose process is another, has a new one. */
export async function boots({ libvirt }: Lab): Promise<ReadonlyMap<string, number>> {
  const refs = await libvirt.domainList();
  return new Map(refs.filter(({ id }) => id >= 0).map(({ name, id }) => [name, id]));
}

/** An end of a guest, as libvirt notes it in the guest's log. */
export interface End {
  readonly guest: string;
  /** libvirt's word, for example `shutdown`. */
  readonly reason: string;
  readonly text: string;
}

/** Every end of a guest; libvirt's log of it outlives its daemon. */
export function endsOfGuests(lab: Lab): End[] {
  const folder = join(lab.host.directory, "log", "qemu");
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((file) => {
    const guest = basename(file, ".log");
    const log = readFileSync(join(folder, file), "utf8");
    return [...log.matchAll(/^(.*): shutting down, reason=(\w+)$/gm)].map(([, time, reason = ""]) => ({
      guest,
      reason,
      text: `${guest} ended by ${reason} at ${time}`,
    }));
  });
}

/** Processes of the engine, of its programs and of the provider. */
export async function processesOf(lab: Lab, stack: Stack): Promise<number[]> {
  return [...(await processesWith(dirname(stack.project.root))), ...(await lab.providers())];
}
