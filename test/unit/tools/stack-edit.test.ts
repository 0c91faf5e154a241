import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { editStackConfig } from "../../../tools/state/stack-edit.ts";

const FILE = `config:
  # The lab that this stack declares.
  hyperlab:file: examples/dev.yaml # named here
encryptionsalt: v1:abc=
`;

describe("editStackConfig", () => {
  it("sets a value and keeps comments, order and everything else", () => {
    const edited = editStackConfig(FILE, [{ path: ["hyperlab:keys", "slurm-key"], value: 2 }]);
    expect(edited).toBe(FILE.replace("encryptionsalt", "  hyperlab:keys:\n    slurm-key: 2\nencryptionsalt"));
  });

  it("keeps the comment beside a value that it changes", () => {
    const edited = editStackConfig(FILE, [{ path: ["hyperlab:file"], value: "lab.yaml" }]);
    expect(edited).toBe(FILE.replace("examples/dev.yaml", "lab.yaml"));
  });

  it("takes back what it set, to the letter", () => {
    const edited = editStackConfig(FILE, [{ path: ["hyperlab:keys", "slurm-key"], value: 2 }]);
    expect(editStackConfig(edited, [{ path: ["hyperlab:keys", "slurm-key"], value: undefined }])).toBe(FILE);
  });

  it.each(["", "config:\n", "config:\n  hyperlab:keys:\n", "{}\n"])("makes the mappings of %j", (text) => {
    const edited = editStackConfig(text, [{ path: ["hyperlab:keys", "slurm-key"], value: 2 }]);
    expect(parse(edited)).toEqual({ config: { "hyperlab:keys": { "slurm-key": 2 } } });
  });

  it("leaves a mapping that still holds something", () => {
    const text = "config:\n  hyperlab:keys:\n    slurm-key: 2\n    db-password: 3\n";
    const edited = editStackConfig(text, [{ path: ["hyperlab:keys", "db-password"], value: undefined }]);
    expect(parse(edited)).toEqual({ config: { "hyperlab:keys": { "slurm-key": 2 } } });
  });

  it("refuses a file where a value is in the way, and one that is not YAML", () => {
    const edit = [{ path: ["hyperlab:keys", "slurm-key"], value: 2 }] as const;
    expect(() => editStackConfig("config:\n  hyperlab:keys: 7\n", edit)).toThrow(
      "no mapping at config > hyperlab:keys",
    );
    expect(() => editStackConfig("- a\n", edit)).toThrow("its top");
    expect(() => editStackConfig("a: [", edit)).toThrow("not valid YAML");
  });

  it("changes nothing but the paths that it was given", () => {
    const key = fc.stringMatching(/^[a-z]{1,8}$/);
    fc.assert(
      fc.property(
        fc.dictionary(key, fc.dictionary(key, fc.integer())),
        key,
        key,
        fc.integer(),
        (config, outer, inner, value) => {
          const text = JSON.stringify({ config, salt: "s" });
          const edited: unknown = parse(editStackConfig(text, [{ path: [outer, inner], value }]));
          expect(edited).toEqual({
            config: { ...config, [outer]: { ...config[outer], [inner]: value } },
            salt: "s",
          });
        },
      ),
    );
  });
});
