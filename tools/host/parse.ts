/** What a host's files and commands say, as data. Every parser takes any text: what it does not know it leaves out. */

/** Assignments of a file that a shell sources, such as /etc/default/libvirt-guests: the last one of a name counts. */
export function parseAssignments(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(?:"([^"]*)"|'([^']*)'|([^\s;#]*))/.exec(line);
    const [, name, double, single, bare] = match ?? [];
    if (name !== undefined) found.set(name, double ?? single ?? bare ?? "");
  }
  return found;
}

/** Units by name, from `systemctl show UNIT…`: one block of `Key=value` lines for each. */
export function parseUnits(text: string): Map<string, ReadonlyMap<string, string>> {
  const units = new Map<string, ReadonlyMap<string, string>>();
  for (const block of text.split(/\r?\n\s*\r?\n/)) {
    const properties = new Map<string, string>();
    for (const line of block.split(/\r?\n/)) {
      const equals = line.indexOf("=");
      if (equals > 0) properties.set(line.slice(0, equals), line.slice(equals + 1));
    }
    const id = properties.get("Id");
    if (id !== undefined && id !== "") units.set(id, properties);
  }
  return units;
}

const unitSeconds: Readonly<Record<string, number>> = {
  us: 1e-6,
  ms: 1e-3,
  s: 1,
  min: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
  month: 2_629_800,
  y: 31_557_600,
};

/** Seconds of a time span as systemd prints it (`1min 30s`); infinity for `infinity`; undefined for anything else. */
export function parseTimeSpan(text: string): number | undefined {
  const span = text.trim();
  if (span === "infinity") return Number.POSITIVE_INFINITY;
  if (!/^(\d+(\.\d+)?(us|ms|s|min|h|d|w|month|y)?\s*)+$/.test(span)) return undefined;
  let seconds = 0;
  for (const [, number, unit] of span.matchAll(/(\d+(?:\.\d+)?)(us|ms|s|min|h|d|w|month|y)?/g)) {
    seconds += Number(number) * (unitSeconds[unit ?? "s"] ?? 1);
  }
  return seconds;
}

/** A base chain of nftables that drops what none of its rules accepts. */
export interface DroppingChain {
  /** Family and name. */
  readonly table: string;
  readonly chain: string;
  readonly hook: "forward" | "input";
  readonly rules: readonly string[];
}

/** Chains at the forward and input hooks whose policy is to drop, from `nft list ruleset`. */
export function parseDroppingChains(text: string): DroppingChain[] {
  const found: DroppingChain[] = [];
  let table = "";
  let chain: { name: string; rules: string[]; hook?: "forward" | "input" } | undefined;
  for (const line of text.split(/\r?\n/).map((raw) => raw.trim())) {
    const opened = /^table (\S+ \S+) \{$/.exec(line)?.[1];
    const named = /^chain (\S+) \{$/.exec(line)?.[1];
    if (opened !== undefined) table = opened;
    else if (named !== undefined) chain = { name: named, rules: [] };
    else if (line === "}") {
      if (chain?.hook !== undefined) {
        found.push({ table, chain: chain.name, hook: chain.hook, rules: chain.rules });
      }
      chain = undefined;
    } else if (chain !== undefined && line !== "") {
      const hook = /^type filter hook (forward|input) .*policy drop;/.exec(line)?.[1];
      if (hook === "forward" || hook === "input") chain.hook = hook;
      else chain.rules.push(line);
    }
  }
  return found;
}

/** Rules of one chain, from `iptables -S`. */
export function rulesOf(chain: string, text: string): string[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.startsWith(`-P ${chain} `) || line.startsWith(`-A ${chain} `));
}

/** MiB of a field of /proc/meminfo. */
export function memoryField(text: string, field: string): number | undefined {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1];
  return kibibytes === undefined ? undefined : Math.floor(Number(kibibytes) / 1024);
}

/** What one command of the probe printed, and how it ended. */
export interface Section {
  readonly code: number;
  readonly text: string;
}

/** The sections of the probe's output. One that was cut off is left out. */
export function parseSections(output: string): Map<string, Section> {
  const sections = new Map<string, Section>();
  let open: { name: string; lines: string[] } | undefined;
  for (const line of output.split(/\r?\n/)) {
    const begun = /^@@begin (\S+)$/.exec(line)?.[1];
    const [, name, code] = /^@@end (\S+) (\d+)$/.exec(line) ?? [];
    if (begun !== undefined) open = { name: begun, lines: [] };
    else if (name !== undefined && open?.name === name) {
      sections.set(name, { code: Number(code), text: open.lines.join("\n") });
      open = undefined;
    } else open?.lines.push(line);
  }
  return sections;
}
