import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { goIsUsable, parseGoVersion } from "../../../tools/engine/build-from-source.ts";
import { compareVersions, engineIsUsable, parseVersion } from "../../../tools/engine/version.ts";

const usable = (text: string): boolean => {
  const version = parseVersion(text);
  return version !== undefined && engineIsUsable(version);
};

describe("versions of the engine", () => {
  it.each([
    ["v3.259.0", true],
    ["3.259.0\n", true],
    ["v3.270.1", true],
    ["v3.1000.0", true],
    ["v3.258.9", false],
    ["v3.99.0", false],
    ["v3.259.0-alpha.1", false],
    ["v3.260.0-dev.0", true],
    ["v4.0.0", false],
    ["v2.300.0", false],
    ["", false],
    ["3.259", false],
    ["unknown", false],
  ])("%j is usable: %s", (text, expected) => {
    expect(usable(text)).toBe(expected);
  });

  it("orders numbers as numbers and pre-releases before their release", () => {
    const part = fc.integer({ min: 0, max: 2000 });
    fc.assert(
      fc.property(part, part, part, part, (major, minor, patch, later) => {
        const a = parseVersion(`${major}.${minor}.${patch}`);
        const b = parseVersion(`v${major}.${minor}.${patch + later + 1}`);
        const pre = parseVersion(`${major}.${minor}.${patch}-rc.1`);
        if (!a || !b || !pre) throw new Error("not parsed");
        expect(compareVersions(a, b)).toBeLessThan(0);
        expect(compareVersions(b, a)).toBeGreaterThan(0);
        expect(compareVersions(a, a)).toBe(0);
        expect(compareVersions(pre, a)).toBeLessThan(0);
      }),
    );
  });

  it("never throws on any text", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseVersion(text)));
  });
});

describe("versions of Go", () => {
  it.each([
    ["go version go1.26.8 linux/amd64", "1.26.8", true],
    ["go version go1.21 linux/arm64", "1.21.0", true],
    ["go version go1.19.8 linux/amd64", "1.19.8", false],
    ["go version go1.20.14 linux/amd64", "1.20.14", false],
  ])("%s", (text, version, expected) => {
    expect(parseGoVersion(text)).toBe(version);
    expect(goIsUsable(version)).toBe(expected);
  });

  it("is unknown where the output is not Go's", () => {
    expect(parseGoVersion("command not found")).toBeUndefined();
  });
});
