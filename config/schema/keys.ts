import { z } from "zod";

/** What a changed value does to machines that run; the word that the preview shows. */
export type ChangeEffect = "none" | "live" | "reconfigure" | "restart" | "rebuild" | "replace" | "forbidden";

/** What the reference says of a key. */
export interface KeyDoc {
  /** What the key means, one or two sentences. */
  text: string;
  /** Unit of the value, for example `GB`. */
  unit?: string;
  /** How the default is found where it is no constant. */
  defaultText?: string;
  /** Effect of a changed value. */
  effect: ChangeEffect;
  example?: unknown;
}

/** Attaches the documentation that the reference page and the JSON schema show. Every key goes through here. */
export function key<T extends z.ZodType>(schema: T, doc: KeyDoc): T {
  const { text, unit, defaultText, effect, example } = doc;
  return schema.meta({
    description: text,
    effect,
    ...(unit === undefined ? {} : { unit }),
    ...(defaultText === undefined ? {} : { defaultText }),
    ...(example === undefined ? {} : { examples: [example] }),
  });
}

const octet = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4Pattern = new RegExp(`^${octet}(\\.${octet}){3}$`);

/** A text value with a form; `form` completes the sentence "expected …". */
export const text = (pattern: RegExp, form: string) =>
  z.string().regex(pattern, { error: form }).meta({ form });

/** An IPv4 address. */
export const ipv4 = () => text(ipv4Pattern, "an IPv4 address such as 10.50.0.10");
/** An IPv4 address or the word DHCP. */
export const ipv4OrDhcp = () =>
  text(new RegExp(`^(DHCP|${octet}(\\.${octet}){3})$`), "an IPv4 address such as 10.50.0.11, or DHCP");
/** An IPv4 network in prefix form. */
export const cidr = () =>
  text(
    new RegExp(`^${octet}(\\.${octet}){3}/(3[0-2]|[12]?\\d)$`),
    "an IPv4 network such as 10.50.0.0/24 (octets 0 to 255, prefix 0 to 32)",
  );
/** An IPv4 address with the prefix of its network. */
export const cidrAddress = () =>
  text(
    new RegExp(`^${octet}(\\.${octet}){3}/([89]|[12]\\d|30)$`),
    "an IPv4 address with its prefix, such as 192.168.1.50/24 (prefix 8 to 30)",
  );
/** A MAC address. */
export const mac = () =>
  text(/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/, "a MAC address such as 02:1f:00:aa:bb:cc");
/** Name of a host, or its address. */
export const hostName = () =>
  text(
    /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/,
    "a host name or an IPv4 address, such as login.example.org",
  );
/** RFC 1123 label. 40 characters leave room for `-compute-00000` within the 63 of a host name. */
export const label = () =>
  text(
    /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
    "1 to 40 lower-case letters, digits and inner hyphens, such as lab",
  );
/** An absolute path. */
export const absolutePath = () =>
  text(/^\/[^\0\n]*$/, "an absolute path such as /var/lib/libvirt/images/debian.qcow2");
/** A SHA-256. */
export const sha256 = () => text(/^[0-9a-f]{64}$/, "a SHA-256 as 64 lower-case hex digits");
/** Name of a network interface; the kernel allows 15 characters. */
export const interfaceName = () =>
  text(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/, "a name of at most 15 characters, such as hlab-dev0");
/** A whole number within limits, both included. */
export const whole = (min: number, max: number) => z.int().min(min).max(max);
/** A moment of Debian's archive. */
export const snapshot = () =>
  text(
    /^\d{4}(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])(T([01]\d|2[0-3])[0-5]\d[0-5]\dZ)?$/,
    "a date such as 2026-11-01, or a moment such as 20261101T000000Z",
  );
