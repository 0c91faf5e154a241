import { createHash } from "node:crypto";

/** Name of the controller: its machine, host name and resource. */
export const controllerName = (cluster: string): string => `${cluster}-controller`;

/** Two digits at least; a number never changes its width, so that a growing cluster renames nothing. */
export const computeName = (cluster: string, number: number): string =>
  `${cluster}-compute-${String(number).padStart(2, "0")}`;

/**
 * The machine that a name in the file means: the full name, `controller`, or `compute-01`, `compute-1`, `compute01`.
 *
 * @returns The full name, or undefined where the name has none of these forms.
 */
export function fullNodeName(cluster: string, written: string): string | undefined {
  const short = written.startsWith(`${cluster}-`) ? written.slice(cluster.length + 1) : written;
  if (short === "controller") return controllerName(cluster);
  const number = /^compute-?0*([1-9]\d{0,5})$/.exec(short)?.[1];
  return number === undefined ? undefined : computeName(cluster, Number(number));
}

/**
 * MAC address of a machine: MD5 of its name, locally administered, unicast. Depends on nothing else, so it survives
 * every rebuild and every other machine.
 */
export function macOf(name: string): string {
  const bytes = createHash("md5").update(name).digest().subarray(0, 6);
  return [...bytes]
    .map((byte, index) => (index === 0 ? (byte | 0x02) & 0xfe : byte).toString(16).padStart(2, "0"))
    .join(":");
}

/** Short stable name of a text. */
export const digest = (text: string, length = 12): string =>
  createHash("sha256").update(text).digest("hex").slice(0, length);

/**
 * cloud-init's instance id of a machine. It changes with the generation (the image's identity), because a new root disk
 * is a new instance; the name and the address stay.
 */
export const instanceId = (name: string, generation: string): string => `${name}-${digest(generation)}`;

/** SMBIOS system serial that gives cloud-init the host name and the instance id, so that one seed serves a role. */
export const smbiosSerial = (name: string, id: string): string => `ds=nocloud;h=${name};i=${id}`;

/** Text order that does not depend on a locale. */
export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
