import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diffProperties, sameValue } from "../../../providers/plugin/diff.ts";
import { diffResponse, identity } from "../../../providers/plugin/messages.ts";
import { Asset, type PropertyMap, Secret, Unknown } from "../../../providers/plugin/values.ts";

const kindsOf = (olds: PropertyMap, news: PropertyMap) =>
  Object.fromEntries(Object.entries(diffProperties(olds, news)).map(([path, entry]) => [path, entry.kind]));

describe("diffProperties", () => {
  test("names the leaves that differ", () => {
    expect(
      kindsOf(
        { same: 1, gone: "x", list: [1, 2, 3], nested: { a: "1", "odd key": true } },
        { same: 1, fresh: null, list: [1, 5], nested: { a: "2", "odd key": false } },
      ),
    ).toEqual({
      fresh: "add",
      gone: "delete",
      "list[1]": "update",
      "list[2]": "delete",
      "nested.a": "update",
      'nested["odd key"]': "update",
    });
  });

  test("a secret is compared by what it holds", () => {
    expect(kindsOf({ a: new Secret("x") }, { a: "x" })).toEqual({});
    expect(kindsOf({ a: new Secret("x") }, { a: new Secret("y") })).toEqual({ a: "update" });
  });

  test("an unknown value differs from every known one", () => {
    expect(kindsOf({ a: "x" }, { a: new Unknown("string") })).toEqual({ a: "update" });
    expect(kindsOf({ a: ["x"] }, { a: new Unknown("array") })).toEqual({ a: "update" });
  });

  test("files differ when their hashes do, not their places", () => {
    const at = (path: string, hash: string) => new Asset({ from: "path", path }, hash);
    expect(kindsOf({ a: at("x", "1") }, { a: at("y", "1") })).toEqual({});
    expect(kindsOf({ a: at("x", "1") }, { a: at("x", "2") })).toEqual({ a: "update" });
  });

  test("equal values have no difference, and the same pair gives mirrored kinds", () => {
    const object = fc.dictionary(
      fc.string({ minLength: 1 }),
      fc.jsonValue().map((value): PropertyMap => JSON.parse(JSON.stringify({ value }))),
    );
    const mirror = { add: "delete", delete: "add", update: "update" };
    return fc.assert(
      fc.property(object, object, (a, b) => {
        expect(kindsOf(a, structuredClone(a))).toEqual({});
        expect(sameValue(a, b)).toBe(Object.keys(kindsOf(a, b)).length === 0);
        const back = kindsOf(b, a);
        for (const [path, kind] of Object.entries(kindsOf(a, b))) {
          expect(back[path]).toBe(mirror[kind === "add" || kind === "delete" ? kind : "update"]);
        }
      }),
    );
  });
});

describe("messages", () => {
  test("a diff names replacements, top-level keys and changes by itself", () => {
    const message = diffResponse({
      detailedDiff: {
        "disks[0].target": { kind: "updateReplace" },
        name: { kind: "update", inputDiff: true },
      },
      deleteBeforeReplace: true,
    });
    expect(message.getReplacesList()).toEqual(["disks[0].target"]);
    expect(message.getDiffsList()).toEqual(["disks", "name"]);
    expect(message.getChanges()).toBe(2);
    expect(message.getDeletebeforereplace()).toBe(true);
    expect(diffResponse({}).getChanges()).toBe(1);
    expect(diffResponse({ changes: "unknown" }).getChanges()).toBe(0);
  });

  test("type and name are found in the URN where they are not sent", () => {
    const message = {
      getUrn: () => "urn:pulumi:dev::lab::hyperlab:index:HpcCluster$libvirt:index:Domain::a::b",
      getName: () => "",
      getType: () => "",
    };
    expect(identity(message)).toMatchObject({ type: "libvirt:index:Domain", name: "a::b" });
  });
});
