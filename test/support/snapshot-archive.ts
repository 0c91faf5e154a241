import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import { ArchiveKey } from "./archive-key.ts";

/** A package as its archive describes it. Only descriptions are served: who simulates downloads no package. */
export interface ArchivedPackage {
  readonly name: string;
  readonly version: string;
  readonly depends?: string;
  readonly essential?: true;
}

/** What Debian's two archives have at a moment, by suite. */
export interface ArchivedMoment {
  readonly main: readonly ArchivedPackage[];
  readonly updates?: readonly ArchivedPackage[];
  readonly security?: readonly ArchivedPackage[];
}

interface Suite {
  readonly archive: "debian" | "debian-security";
  readonly codename: string;
  /** Fields of Release by which apt tells suites apart, as Debian has them. */
  readonly label: string;
  readonly suite: string;
}

const suites: Readonly<Record<keyof ArchivedMoment, Suite>> = {
  main: { archive: "debian", codename: "trixie", label: "Debian", suite: "stable" },
  updates: { archive: "debian", codename: "trixie-updates", label: "Debian", suite: "stable-updates" },
  security: {
    archive: "debian-security",
    codename: "trixie-security",
    label: "Debian-Security",
    suite: "stable-security",
  },
};

/**
 * A small signed archive of the past on this machine, with the layout and the manners of snapshot.debian.org: a moment
 * at which nothing came in leads to the last one before it, the time for which a Release is valid is over.
 */
export class SnapshotArchive {
  readonly key = new ArchiveKey("Archive of a test");
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  readonly #files = new Map<string, string>();
  readonly #moments: readonly string[];
  readonly #server: Server;

  /** @param moments by their names in the archive, such as 20250901T000000Z */
  constructor(moments: Readonly<Record<string, ArchivedMoment>>) {
    this.#moments = Object.keys(moments).sort();
    for (const [moment, content] of Object.entries(moments)) this.#fill(moment, content);
    this.#server = createServer((request, response) => {
      const path = request.url ?? "";
      this.asked.push(path);
      const [, archive, moment = "", rest] = /^\/archive\/([^/]+)\/(\d{8}T\d{6}Z)\/(.*)$/.exec(path) ?? [];
      const last = this.#moments.filter((one) => one <= moment).at(-1);
      const file = this.#files.get(path);
      if (last !== undefined && last !== moment)
        response.writeHead(302, { location: `/archive/${archive}/${last}/${rest}` }).end();
      else response.writeHead(file === undefined ? 404 : 200).end(file);
    });
  }

  #fill(moment: string, content: ArchivedMoment): void {
    for (const part of ["main", "updates", "security"] as const) {
      const { archive, codename, label, suite } = suites[part];
      const folder = `/archive/${archive}/${moment}/dists/${codename}`;
      const packages = (content[part] ?? []).map(description).join("\n");
      const release = [
        "Origin: Debian",
        `Label: ${label}`,
        `Suite: ${suite}`,
        "Version: 13",
        `Codename: ${codename}`,
        `Date: ${dateOf(moment, 0)}`,
        `Valid-Until: ${dateOf(moment, 7)}`,
        "Architectures: amd64",
        "Components: main",
        "SHA256:",
        ` ${createHash("sha256").update(packages).digest("hex")} ${packages.length} main/binary-amd64/Packages`,
        "",
      ].join("\n");
      this.#files.set(`${folder}/main/binary-amd64/Packages`, packages);
      this.#files.set(`${folder}/Release`, release);
      this.#files.set(`${folder}/Release.gpg`, this.key.sign(release));
    }
  }

  /** Starts to serve. @returns the address for HYPERLAB_SNAPSHOT_MIRROR */
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the archive has no port");
    return `http://127.0.0.1:${address.port}/archive`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function description({ depends, essential, name, version }: ArchivedPackage): string {
  const lines = [
    `Package: ${name}`,
    `Version: ${version}`,
    "Architecture: amd64",
    "Maintainer: Nobody <nobody@example.org>",
    ...(essential === undefined ? [] : ["Essential: yes", "Priority: required"]),
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    `Filename: pool/${name}_${version}_amd64.deb`,
    "Size: 1000",
    `SHA256: ${createHash("sha256").update(`${name} ${version}`).digest("hex")}`,
    "Description: for tests",
    "",
  ];
  return lines.join("\n");
}

/** A day that many days after a moment, as Release has it. */
function dateOf(moment: string, daysLater: number): string {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)/.exec(moment) ?? [];
  return new Date(Date.UTC(Number(year), Number(month) - 1, Number(day) + daysLater)).toUTCString();
}
