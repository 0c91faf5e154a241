import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadLabFile } from "../../../config/index.ts";
import { formatPath, parsePath } from "../../../config/problems.ts";
import { brief, labText, loaded, refused } from "./lab-text.ts";

describe("YAML", () => {
  it("with a key twice is refused at the second", () => {
    const text = labText().replace("    name: lab\n", "    name: lab\n    name: lab2\n");
    expect(brief(refused(text))).toEqual(['6:5 : key "name" occurs twice in the same map; remove one']);
  });

  it("with tabs for indentation is refused", () => {
    expect(refused('version: "1.0"\nmetadata:\n\tname: x\n').problems[0]?.reason).toContain("not valid YAML");
  });

  it("with several documents is refused", () => {
    expect(refused(`${labText()}---\n${labText()}`).problems[0]?.reason).toContain("not valid YAML");
  });

  it("with unknown tags is refused", () => {
    expect(refused(labText().replace("name: lab", "name: !secret lab")).problems[0]?.reason).toContain("tag");
  });

  it("may use anchors", () => {
    const nodes = `compute_nodes:
  - &node { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }
  - *node`;
    const file = loaded(labText({ nodes }));
    expect(file.config.hpc?.computeNodes.nodes).toHaveLength(2);
    expect(file.locate("clusters.hpc.compute_nodes[1].cpu_cores").line).toBe(11);
  });

  it("with an alias bomb ends at once", () => {
    const levels = Array.from({ length: 20 }, (_, level) => {
      const content = level === 0 ? "x" : Array.from({ length: 10 }, () => `*a${level - 1}`).join(", ");
      return `a${level}: &a${level} [${content}]`;
    });
    expect(refused(levels.join("\n")).problems).not.toEqual([]);
  });

  it("that refers to itself is refused", () => {
    expect(refused("a: &a [*a]\n").problems).not.toEqual([]);
  });

  it("nested absurdly deep is refused", () => {
    expect(refused("[".repeat(50_000)).problems).not.toEqual([]);
    expect(refused("a: ".repeat(20_000)).problems).not.toEqual([]);
    expect(refused(`${"[".repeat(500)}${"]".repeat(500)}`).problems[0]?.reason).toContain(
      "more than 100 deep",
    );
  });

  it("larger than the limit is refused unread", () => {
    const problems = refused(`# ${"x".repeat(9 * 1024 * 1024)}`).problems;
    expect(problems[0]?.reason).toMatch(/has \d+ bytes; at most \d+ are read/);
  });

  it.each(["", "\n", "null", "3", "[]", "text", "---\n...\n"])("without a map (%j) is refused", (text) => {
    expect(refused(text).problems).not.toEqual([]);
  });

  it("with keys that JavaScript knows is refused like any unknown key", () => {
    for (const key of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      const result = refused(`${labText()}${key}: { a: 1 }\n`);
      expect(result.problems.map((problem) => problem.path)).toEqual([key]);
    }
  });
});

describe("any text", () => {
  it("never throws, and problems stand inside the file", () => {
    const noise = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.string({ maxLength: 300, unit: "binary" }),
      fc
        .array(fc.constantFrom(..."-:[]{}&*!|>'\"%@#? \n\ta1~,".split("")), { maxLength: 120 })
        .map((c) => c.join("")),
    );
    fc.assert(
      fc.property(noise, (text) => {
        const result = loadLabFile(text, "f");
        const lines = text.split(/\r?\n/).length;
        if (!result.ok) {
          expect(result.problems.length).toBeGreaterThan(0);
          for (const problem of result.problems) {
            expect(problem.line).toBeGreaterThan(0);
            expect(problem.line).toBeLessThanOrEqual(lines + 1);
            expect(problem.column).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 600 },
    );
  });

  it("put in the place of any line of a good file never throws", () => {
    const lines = labText().split("\n");
    fc.assert(
      fc.property(
        fc.nat(lines.length - 1),
        fc.string({ maxLength: 60 }),
        fc.nat(3),
        (index, noise, indent) => {
          const text = lines.with(index, " ".repeat(2 * indent) + noise).join("\n");
          expect(typeof loadLabFile(text, "f").ok).toBe("boolean");
        },
      ),
      { numRuns: 600 },
    );
  });

  it("any JSON value in the place of any value never throws", () => {
    const places = [
      "metadata",
      "clusters.hpc",
      "clusters.hpc.network",
      "clusters.hpc.compute_nodes",
      "clusters.hpc.users",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue(), (place, value) => {
        const base: Record<string, unknown> = { version: "1.0", metadata: { name: "a", description: "b" } };
        const text =
          place === "metadata"
            ? JSON.stringify({ ...base, metadata: value })
            : JSON.stringify({ ...base, clusters: { hpc: nested(place.split(".").slice(2), value) } });
        const result = loadLabFile(text, "f");
        expect(result.ok).toBe(false);
      }),
      { numRuns: 400 },
    );
  });
});

const nested = (path: string[], value: unknown): unknown => {
  const [first, ...rest] = path;
  return first === undefined ? value : { [first]: nested(rest, value) };
};

describe("paths", () => {
  it("are read as they are written", () => {
    const part = fc.oneof(fc.nat(99), fc.string({ maxLength: 8 }));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (path) => {
        expect(parsePath(formatPath(path))).toEqual(path);
      }),
    );
  });
});
