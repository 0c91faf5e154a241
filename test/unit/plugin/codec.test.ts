import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CodecError, decodeProperties, encodeProperties } from "../../../providers/plugin/codec.ts";
import { structPb } from "../../../providers/plugin/proto.ts";
import {
  Archive,
  Asset,
  containsSecret,
  containsUnknown,
  OutputValue,
  type PropertyMap,
  type PropertyValue,
  ResourceReference,
  reveal,
  Secret,
  Unknown,
} from "../../../providers/plugin/values.ts";

const key = "4dabf18193072939515e22adb298388d";

/** Through the bytes, so that what is tested is what the engine sees. */
function roundTrip(value: PropertyMap): PropertyMap {
  return decodeProperties(structPb.Struct.deserializeBinary(encodeProperties(value).serializeBinary()));
}

const text = fc.string({ unit: "grapheme" });
const propertyName = text.filter((name) => name !== "__proto__");
const assetName = fc.string({ minLength: 1 }).filter((name) => name !== "__proto__");
const asset = fc.oneof(
  text.map((value) => new Asset({ from: "text", text: value })),
  fc.string({ minLength: 1 }).map((path) => new Asset({ from: "path", path }, "ab".repeat(32))),
  fc.webUrl().map((uri) => new Asset({ from: "uri", uri })),
  fc.constant(new Asset(undefined, "cd".repeat(32))),
);
const archive = fc.oneof(
  fc
    .dictionary(assetName, asset, { noNullPrototype: true })
    .map((assets) => new Archive({ from: "assets", assets })),
  fc.string({ minLength: 1 }).map((path) => new Archive({ from: "path", path })),
);
const unknownValue = fc
  .constantFrom<ConstructorParameters<typeof Unknown>[0]>(
    "boolean",
    "number",
    "string",
    "array",
    "object",
    "asset",
    "archive",
  )
  .map((sort) => new Unknown(sort));
const resource = fc.constantFrom(
  new ResourceReference("urn:pulumi:s::p::t::n"),
  new ResourceReference("urn:pulumi:s::p::t::n", "id", "1.2.3"),
  new ResourceReference("urn:pulumi:s::p::t::n", new Unknown("string")),
);

const { value } = fc.letrec<{ value: PropertyValue; object: PropertyMap }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.double(),
    text,
    asset,
    archive,
    unknownValue,
    resource,
    tie("value").map((inner) => new Secret(inner)),
    fc
      .tuple(fc.option(tie("value"), { nil: undefined }), fc.boolean(), fc.array(fc.string({ minLength: 1 })))
      .map(([inner, secret, dependencies]) => new OutputValue(inner, secret, dependencies)),
    fc.array(tie("value")),
    tie("object"),
  ),
  object: fc.dictionary(propertyName, tie("value"), { noNullPrototype: true }),
}));
const object = fc.dictionary(propertyName, value, { noNullPrototype: true });

describe("codec of property values", () => {
  test("everything that can be written is read back the same", () => {
    return fc.assert(
      fc.property(object, (properties) => {
        expect(roundTrip(properties)).toEqual(properties);
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes give a value, or an error of the parser, and never hang or crash", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      // Damaged messages get further into the decoder than random ones.
      fc.tuple(object, fc.nat(), fc.nat({ max: 255 })).map(([properties, position, byte]) => {
        const message = encodeProperties(properties).serializeBinary();
        if (message.length > 0) message[position % message.length] = byte;
        return message;
      }),
    );
    return fc.assert(
      fc.property(bytes, (message) => {
        let struct: structPb.Struct;
        try {
          struct = structPb.Struct.deserializeBinary(message);
        } catch {
          return; // google-protobuf refused it, as the server would before our code sees it
        }
        try {
          expect(typeof decodeProperties(struct)).toBe("object");
        } catch (error) {
          if (!(error instanceof CodecError)) throw error;
        }
      }),
      { numRuns: 400 },
    );
  });

  test("envelopes as the engine writes them", () => {
    const wire = structPb.Struct.fromJavaScript({
      password: { [key]: "1b47061264138c4ac30d75fd1eb44270", value: "hunter2" },
      later: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
      file: { [key]: "c44067f5952c0a294b673a41bacd8c17", hash: "aa", path: "./a.txt" },
      folder: { [key]: "0def7320c3a5731c473e5ecbe6d01bc7", hash: "bb", path: "./a" },
      pool: { [key]: "5cf8f73096256a8f31e491e813e4eb8e", urn: "urn:p", id: "p-1", packageVersion: "1.0.0" },
      out: { [key]: "d0e6a833031e9bbcd3f4e8bde6ca49a4", secret: true, dependencies: ["urn:p"] },
      nothing: null,
    });
    expect(decodeProperties(wire)).toEqual({
      password: new Secret("hunter2"),
      later: new Unknown("string"),
      file: new Asset({ from: "path", path: "./a.txt" }, "aa"),
      folder: new Archive({ from: "path", path: "./a" }, "bb"),
      pool: new ResourceReference("urn:p", "p-1", "1.0.0"),
      out: new OutputValue(undefined, true, ["urn:p"]),
      nothing: null,
    });
  });

  test.each([
    [{ a: { [key]: "0000" } }, "property a: an envelope of a kind that this plugin does not know"],
    [{ a: [{ [key]: "1b47061264138c4ac30d75fd1eb44270" }] }, "property a[0]: a secret without a value"],
    [
      { a: { b: { [key]: "5cf8f73096256a8f31e491e813e4eb8e" } } },
      "property a.b: a resource reference without",
    ],
    [
      { "odd key": { [key]: "c44067f5952c0a294b673a41bacd8c17", path: 1 } },
      'property ["odd key"].path: expected a string',
    ],
    [
      { a: { [key]: "0def7320c3a5731c473e5ecbe6d01bc7", assets: { x: "text" } } },
      "property a.assets.x: expected an asset or an archive",
    ],
  ])("a malformed envelope is refused with its path: %j", (properties, message) => {
    expect(() => decodeProperties(structPb.Struct.fromJavaScript(properties))).toThrow(message);
  });

  test("nesting that would exhaust the stack is refused", () => {
    let deep: PropertyValue = "end";
    for (let level = 0; level < 2000; level++) deep = [deep];
    expect(() => encodeProperties({ deep })).toThrow("nested deeper than 500 levels");
  });

  test("properties without value are left out", () => {
    expect(Object.keys(roundTrip({ a: 1, gone: undefined }))).toEqual(["a"]);
  });

  test("a key __proto__, which would be lost on the way, is refused with its place", () => {
    const odd: PropertyMap = JSON.parse('{"b": {"__proto__": {"polluted": true}}, "a": 1}');
    expect(() => roundTrip(odd)).toThrow(new CodecError("b", 'a key "__proto__" cannot be sent; rename it'));
    expect("polluted" in {}).toBe(false);
  });

  test("a lone surrogate, which the engine would refuse, becomes the replacement character", () => {
    expect(roundTrip({ text: "a\ud800b" })).toEqual({ text: "a\ufffdb" });
  });
});

describe("values", () => {
  test("a secret does not reveal itself in text or JSON", () => {
    const secret = new Secret("hunter2");
    expect(`${secret} ${JSON.stringify({ secret })}`).not.toContain("hunter2");
  });

  test("reveal takes the envelopes away at any depth", () => {
    expect(
      reveal({ a: new Secret({ b: [new Secret("x")] }), c: new OutputValue(new Secret(1)), d: undefined }),
    ).toEqual({ a: { b: ["x"] }, c: 1 });
  });

  test("unknown and secret parts are found at any depth", () => {
    const nested = { a: [{ b: new Secret(new Unknown("number")) }] };
    expect([containsUnknown(nested), containsSecret(nested)]).toEqual([true, true]);
    expect([containsUnknown({ a: [1] }), containsSecret({ a: [1] })]).toEqual([false, false]);
    expect(containsUnknown(new OutputValue(undefined))).toBe(true);
  });
});
