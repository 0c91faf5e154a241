import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { documentedSchema, labJsonSchema, type SchemaNode } from "../../../config/json-schema.ts";
import { clusterFileReference } from "../../../config/reference.ts";

const advice = "run node config/write-generated.ts";

/** Every key of the schema with its path. */
function keys(node: SchemaNode, path = ""): { path: string; node: SchemaNode }[] {
  const below = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const own = path === "" ? name : `${path}.${name}`;
    return [{ path: own, node: child }, ...keys(child, own)];
  });
  const items = node.items === undefined ? [] : keys(node.items, `${path}[]`);
  const forms = (node.anyOf ?? []).flatMap((form) => keys(form, path));
  return [...below, ...items, ...forms];
}

describe("generated files", () => {
  it("config/lab.schema.json is what the schema gives", () => {
    expect(readFileSync("config/lab.schema.json", "utf8"), advice).toBe(labJsonSchema());
  });

  it("docs/reference/cluster-file.md is what the schema gives", () => {
    expect(readFileSync("docs/reference/cluster-file.md", "utf8"), advice).toBe(clusterFileReference());
  });

  it("every key has a meaning, an effect of a change, and a type", () => {
    const all = keys(documentedSchema());
    expect(all.length).toBeGreaterThan(70);
    for (const { path, node } of all) {
      expect(node.description, path).toMatch(/^[A-Z0-9a-z].*\.$/s);
      expect(node.effect, path).toMatch(/^(none|live|reconfigure|restart|rebuild|replace)$/);
    }
  });

  it("every value that may be absent says what then holds", () => {
    const lacking = optional(documentedSchema()).filter(
      ({ node }) => node.default === undefined && node.defaultText === undefined,
    );
    // Absent means "not used" for these, which is what "none" on the page says.
    expect(lacking.map(({ path }) => path)).toEqual([
      "global",
      "clusters.hpc.image.path",
      "clusters.hpc.image.url",
      "clusters.hpc.network.libvirt_network",
      "clusters.hpc.home.nfs",
    ]);
  });
});

/** Keys that a file may leave out. */
function optional(node: SchemaNode, path = ""): { path: string; node: SchemaNode }[] {
  const own = Object.entries(node.properties ?? {}).flatMap(([name, child]) => {
    const place = path === "" ? name : `${path}.${name}`;
    const absent = node.required?.includes(name) === true ? [] : [{ path: place, node: child }];
    return [...absent, ...optional(child, place)];
  });
  const items = node.items === undefined ? [] : optional(node.items, `${path}[]`);
  return [...own, ...items, ...(node.anyOf ?? []).flatMap((form) => optional(form, path))];
}
