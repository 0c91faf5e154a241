import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostMirror, publicMirror, sourceLines } from "../../../images/mirror.ts";

const list = (text: string) => [{ name: "/etc/apt/sources.list", text }];
const deb822 = (text: string) => [{ name: "/etc/apt/sources.list.d/debian.sources", text }];
const own = {
  main: "http://mirror.example.org/debian",
  security: "http://mirror.example.org/debian-security",
};

describe("the mirror of the host", () => {
  it("is read from one-line sources", () => {
    const text = [
      "# deb http://old.example.org/debian bookworm main",
      "deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.example.org/debian/ bookworm main contrib # own",
      "deb-src http://src.example.org/debian bookworm main",
      "deb http://mirror.example.org/debian-security bookworm-security main",
    ].join("\n");
    expect(hostMirror("debian", list(text))).toEqual(own);
  });

  it("is read from deb822 sources", () => {
    const text = `# comment
Types: deb deb-src
URIs: http://mirror.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS/xcRfwEQWzr

Types: deb
URIs: http://mirror.example.org/debian-security/
Suites: bookworm-security
Components: main
`;
    expect(hostMirror("debian", deb822(text))).toEqual(own);
  });

  it("ignores entries that are switched off", () => {
    const text =
      "Enabled: no\nTypes: deb\nURIs: http://mirror.example.org/debian\nSuites: trixie\nComponents: main\n";
    expect(hostMirror("debian", deb822(text))).toEqual(publicMirror);
  });

  it.each([
    ["another distribution", "ubuntu", "deb http://mirror.example.org/debian trixie main"],
    ["a vendor's archive", "debian", "deb https://deb.nodesource.com/node_20.x nodistro main"],
    ["a vendor's suite of the same name", "debian", "deb https://packages.example.com/tool stable main"],
    ["a snapshot", "debian", "deb http://snapshot.debian.org/archive/debian trixie main"],
    ["a local file system", "debian", "deb file:/srv/debian trixie main"],
    ["an address with a password", "debian", "deb https://me:secret@mirror.example.org/debian trixie main"],
    ["an archive without main", "debian", "deb http://mirror.example.org/debian trixie contrib"],
    ["backports alone", "debian", "deb http://mirror.example.org/debian trixie-backports main"],
  ])("is the public one for %s", (_, distribution, text) => {
    expect(hostMirror(distribution, list(text))).toEqual(publicMirror);
  });

  it("is complete and safe whatever the sources hold", () => {
    const token = fc.oneof(
      fc.constantFrom(
        "deb",
        "Types:",
        "URIs:",
        "Suites:",
        "trixie",
        "main",
        "http://a.b/debian",
        "[",
        "]",
        "#",
        "\n",
        " ",
        ":",
      ),
      fc.string(),
    );
    const text = fc.array(token).map((parts) => parts.join(fc.sample(fc.constantFrom("", " ", "\n"), 1)[0]));
    fc.assert(
      fc.property(text, fc.boolean(), (content, paragraphs) => {
        const mirror = hostMirror("debian", paragraphs ? deb822(content) : list(content));
        for (const uri of [mirror.main, mirror.security]) expect(uri).toMatch(/^https?:\/\/[^\s'"\\@]+$/);
      }),
      { numRuns: 500 },
    );
  });
});

describe("source lines", () => {
  it("name release, updates and security", () => {
    expect(sourceLines(publicMirror, "trixie")).toEqual([
      "deb http://deb.debian.org/debian trixie main",
      "deb http://deb.debian.org/debian trixie-updates main",
      "deb http://deb.debian.org/debian-security trixie-security main",
    ]);
  });
});
