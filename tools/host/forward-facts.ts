import { type Forward, PROXY_PROGRAMS } from "../../planning/forward-units.ts";
import { type Known, known, unknown } from "../preflight/facts.ts";
import { parseUnits, type Section } from "./parse.ts";

/** What a host has for ports that lead to login machines. */
export interface ForwardFacts {
  /** Unit files of ours, of any cluster, by path. */
  readonly files: ReadonlyMap<string, string>;
  /** Their sockets as systemd has them, by name. */
  readonly sockets: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** TCP ports at which something listens, whoever that is. */
  readonly listening: Known<readonly Listener[]>;
  /** The program that passes the bytes on; undefined where systemd came without it. */
  readonly proxy: string | undefined;
}

/** A place where something listens; without an address: at all of them, or at one of IPv6. */
export interface Listener {
  readonly port: number;
  readonly address?: string;
}

/** What the cluster file asks of the host. */
export interface ForwardNeeds {
  readonly cluster: string;
  /** Undefined: no port of this host. */
  readonly forward: Forward | undefined;
}

const FILE = "@@file ";

/** Shell functions of the probe, and the questions that use them. */
export const FORWARD_PROBE = `
forward_files() {
  for file in /etc/systemd/system/hyperlab-forward-*.socket /etc/systemd/system/hyperlab-forward-*.service; do
    if [ -f "$file" ]; then echo "${FILE}$file"; cat "$file"; fi
  done
  return 0
}
ask forward-files forward_files
forward_sockets() {
  [ -d /run/systemd/system ] || return 1
  systemctl show 'hyperlab-forward-*.socket' --property Id,ActiveState,UnitFileState
  return 0
}
ask forward-sockets forward_sockets
forward_proxy() {
  for file in ${PROXY_PROGRAMS.join(" ")}; do if [ -x "$file" ]; then echo "$file"; return 0; fi; done
  return 1
}
ask forward-proxy forward_proxy
listening() { cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == "0A" { print $2 }'; }
ask listening listening
`;

/** The facts from what the probe printed; unknown where the host has no systemd that runs. */
export function forwardFacts(sections: ReadonlyMap<string, Section>): Known<ForwardFacts> {
  const [files, sockets] = [sections.get("forward-files"), sections.get("forward-sockets")];
  if (files === undefined || sockets === undefined) return unknown("the host did not answer this question");
  if (sockets.code !== 0) return unknown("systemd does not run there");
  const proxy = sections.get("forward-proxy");
  const listening = sections.get("listening");
  return known({
    files: parseFiles(files.text),
    sockets: parseUnits(sockets.text),
    listening:
      listening?.code === 0
        ? known(parseListeners(listening.text))
        : unknown("the host does not say what listens"),
    proxy: proxy?.code === 0 ? proxy.text.trim() : undefined,
  });
}

/** Files that were printed one after another, each below a line with its path. */
export function parseFiles(text: string): Map<string, string> {
  const [, ...parts] = `\n${text}`.split(`\n${FILE}`);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf("\n");
      const body = end < 0 ? "" : part.slice(end + 1);
      return [
        end < 0 ? part : part.slice(0, end),
        body === "" ? "" : `${body.replace(/\n*$/, "")}\n`,
      ] as const;
    }),
  );
}

/** Listeners from local addresses as /proc/net/tcp and tcp6 have them: hexadecimal, words in the machine's order. */
export function parseListeners(text: string): Listener[] {
  return text.split("\n").flatMap((line): Listener[] => {
    const [, hex = "", port = ""] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(line.trim()) ?? [];
    if (hex === "") return [];
    const four =
      hex.length === 8 ? hex : hex.startsWith("0000000000000000FFFF0000") ? hex.slice(24) : undefined;
    const listener = { port: Number.parseInt(port, 16) };
    if (four === undefined || four === "00000000") return [listener];
    const bytes = [...four.matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16));
    return [{ ...listener, address: bytes.reverse().join(".") }];
  });
}
