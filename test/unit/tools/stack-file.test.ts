import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { mergeStackFile, parseStackFile } from "../../../tools/state/stack-file.ts";

const NAME = "Pulumi.dev.yaml";
const merge = (committed: string, copy: string, base: string): unknown =>
  parse(mergeStackFile(committed, copy, base, NAME));

describe("the copy of the stack file", () => {
  it("starts as the committed file", () => {
    expect(merge("config:\n  hyperlab:file: examples/dev.yaml\n", "", "")).toEqual({
      config: { "hyperlab:file": "examples/dev.yaml" },
    });
  });

  it("keeps the salt that the engine wrote", () => {
    const committed = "config:\n  hyperlab:file: b.yaml\n";
    const copy = "config:\n  hyperlab:file: a.yaml\nencryptionsalt: v1:abc=\n";
    expect(merge(committed, copy, "config:\n  hyperlab:file: a.yaml\n")).toEqual({
      config: { "hyperlab:file": "b.yaml" },
      encryptionsalt: "v1:abc=",
    });
  });

  it("drops a key that was committed and no longer is, and keeps one that only the copy has", () => {
    const base = "config:\n  hyperlab:file: a.yaml\n  hyperlab:old: 1\n";
    const copy = `${base}  hyperlab:token:\n    secure: v1:xyz\n`;
    expect(merge("config:\n  hyperlab:file: a.yaml\n", copy, base)).toEqual({
      config: { "hyperlab:file": "a.yaml", "hyperlab:token": { secure: "v1:xyz" } },
    });
  });

  it("lets a committed key win over the copy's, and a committed salt over the copy's", () => {
    const committed = "config:\n  hyperlab:a: committed\nencryptionsalt: v1:committed\n";
    const copy = "config:\n  hyperlab:a: mine\nencryptionsalt: v1:mine\n";
    expect(merge(committed, copy, "")).toEqual({
      config: { "hyperlab:a": "committed" },
      encryptionsalt: "v1:committed",
    });
  });

  it("changes nothing the second time", () => {
    const key = fc.constantFrom("hyperlab:a", "hyperlab:b", "hyperlab:c", "x:d");
    const file = fc.record({
      config: fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.boolean())),
      encryptionsalt: fc.stringMatching(/^v1:[a-z]{3}$/),
    });
    fc.assert(
      fc.property(file, file, file, (committed, copy, base) => {
        const text = (value: unknown): string => JSON.stringify(value);
        const once = mergeStackFile(text(committed), text(copy), text(base), NAME);
        const twice = mergeStackFile(text(committed), once, text(committed), NAME);
        expect(twice).toBe(once);
        expect(parseStackFile(once, NAME).config).toMatchObject(committed.config);
      }),
    );
  });

  it.each([
    ["config: [", "Pulumi.dev.yaml is not valid YAML"],
    ["- a", "must be a mapping"],
    ["config: 3", '"config" must be a mapping'],
  ])("refuses %j", (text, message) => {
    expect(() => parseStackFile(text, NAME)).toThrow(message);
  });
});
