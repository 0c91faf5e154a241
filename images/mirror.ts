/** Package mirrors: the host's own Debian mirror, read from its apt sources. Pure. */

/** Base addresses of the two archives an image is built from. */
export interface Mirror {
  /** Main archive, for example `http://deb.debian.org/debian`. */
  readonly main: string;
  /** Security archive, for example `http://deb.debian.org/debian-security`. */
  readonly security: string;
}

/** A file of apt sources. */
export interface AptSource {
  /** `.list` files have one line per entry, `.sources` files are deb822 paragraphs. */
  readonly name: string;
  readonly text: string;
}

/** Debian's own mirror. */
export const publicMirror: Mirror = {
  main: "http://deb.debian.org/debian",
  security: "http://deb.debian.org/debian-security",
};

/** Debian's archive of every past state. */
export const publicSnapshots = "http://snapshot.debian.org/archive";

/**
 * The archives as they were at a moment.
 * @param archive base address with the layout of snapshot.debian.org: `ARCHIVE/debian/20261101T000000Z/`
 */
export function snapshotMirror(archive: string, moment: string): Mirror {
  const base = archive.replace(/\/+$/, "");
  return { main: `${base}/debian/${moment}`, security: `${base}/debian-security/${moment}` };
}

interface Entry {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "");

function oneLineEntries(text: string): Entry[] {
  const entries: Entry[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.replace(/#.*$/, "").replace(/\[[^\]]*\]/, " ");
    const [type, uri, suite, ...components] = words(line);
    if (type === "deb" && uri !== undefined && suite !== undefined) entries.push({ uri, suite, components });
  }
  return entries;
}

function deb822Paragraphs(text: string): Map<string, string>[] {
  const paragraphs: Map<string, string>[] = [];
  let current = new Map<string, string>();
  let key = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    if (line.trim() === "") {
      if (current.size > 0) paragraphs.push(current);
      current = new Map();
      key = "";
    } else if (/^\s/.test(line)) {
      if (key !== "") current.set(key, `${current.get(key) ?? ""} ${line.trim()}`);
    } else {
      const colon = line.indexOf(":");
      key = colon > 0 ? line.slice(0, colon).trim().toLowerCase() : "";
      if (key !== "") current.set(key, line.slice(colon + 1).trim());
    }
  }
  if (current.size > 0) paragraphs.push(current);
  return paragraphs;
}

function deb822Entries(text: string): Entry[] {
  return deb822Paragraphs(text).flatMap((paragraph) => {
    const enabled = (paragraph.get("enabled") ?? "yes").toLowerCase();
    if (["no", "false", "without", "off", "disable", "0"].includes(enabled)) return [];
    if (!words(paragraph.get("types") ?? "").includes("deb")) return [];
    const components = words(paragraph.get("components") ?? "");
    return words(paragraph.get("uris") ?? "").flatMap((uri) =>
      words(paragraph.get("suites") ?? "").map((suite) => ({ uri, suite, components })),
    );
  });
}

const releases = "(buster|bullseye|bookworm|trixie|forky|duke|sid|stable|testing|unstable|oldstable)";
const mainSuite = new RegExp(`^${releases}$`);
const securitySuite = new RegExp(`^${releases}-security$`);

function usable(entry: Entry): boolean {
  // An address with a user name is left out: it would carry a password into the image.
  return entry.components.includes("main") && /^https?:\/\/[^\s'"\\@]+$/.test(entry.uri);
}

/** A mirror of another suite than the one built is still a whole mirror; a snapshot or a vendor's archive is not. */
function archive(entries: readonly Entry[], suite: RegExp, lastSegment: string): string | undefined {
  const entry = entries.find(
    (candidate) =>
      usable(candidate) &&
      suite.test(candidate.suite) &&
      candidate.uri.replace(/\/+$/, "").endsWith(`/${lastSegment}`) &&
      !candidate.uri.includes("snapshot."),
  );
  return entry?.uri.replace(/\/+$/, "");
}

/**
 * Mirror of a host from its apt sources.
 * @param distribution `ID` of /etc/os-release; anything but `debian` gives the public mirror
 * @param sources the files of /etc/apt; third-party entries are skipped
 */
export function hostMirror(distribution: string, sources: readonly AptSource[]): Mirror {
  if (distribution !== "debian") return publicMirror;
  const entries = sources.flatMap((source) =>
    source.name.endsWith(".sources")
      ? deb822Entries(source.text)
      : source.name.endsWith(".list")
        ? oneLineEntries(source.text)
        : [],
  );
  const main = archive(entries, mainSuite, "debian") ?? publicMirror.main;
  const security = archive(entries, securitySuite, "debian-security") ?? publicMirror.security;
  return { main, security };
}

/**
 * Lines of apt sources for a suite.
 * @param past The archive as it was: what it says of its own validity is over by now.
 */
export function sourceLines(mirror: Mirror, suite: string, past = false): string[] {
  const type = past ? "deb [check-valid-until=no]" : "deb";
  return [
    `${type} ${mirror.main} ${suite} main`,
    `${type} ${mirror.main} ${suite}-updates main`,
    `${type} ${mirror.security} ${suite}-security main`,
  ];
}
