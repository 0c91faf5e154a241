import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cloudGuestFiles } from "../../../images/cloud-guest.ts";
import { imagesDirectory } from "../../../images/guest.ts";
import { expandHostlist, foldHostlist } from "../../../planning/slurm/hostlist.ts";

/** The guest's programs are Python: their own tests run under the machine's python3, without a guest. */
const programs = path.join(imagesDirectory(), "guest", "usr", "lib", "hyperlab");
const tests = path.join(import.meta.dirname, "guest");
const environment = {
  ...process.env,
  PYTHONPATH: programs,
  PYTHONDONTWRITEBYTECODE: "1",
  HYPERLAB_GUEST: programs,
  HYPERLAB_CLOUD_GUEST: path.join(imagesDirectory(), "cloud-guest", "usr", "lib", "hyperlab"),
};

const python = (code: string, input: string): string =>
  execFileSync("python3", ["-c", code], { env: environment, input, encoding: "utf8", maxBuffer: 1e9 });

describe("guest programs in Python", () => {
  const modules = readdirSync(tests).filter((name) => /^test_.*\.py$/.test(name));
  it.each(modules)("%s", (name) => {
    const done = spawnSync("python3", ["-W", "error", "-m", "unittest", "-v", path.join(tests, name)], {
      env: environment,
      encoding: "utf8",
      cwd: tests,
    });
    expect(done.status, done.stderr).toBe(0);
    expect(done.stderr).toMatch(/Ran [1-9]\d* tests?/);
  });

  it("are valid Python, each file of them", () => {
    const sources = cloudGuestFiles()
      .filter((file) => file.path.endsWith(".py") || file.content.startsWith("#!/usr/bin/python3"))
      .map((file) => [file.path, file.content]);
    expect(sources.length).toBeGreaterThan(20);
    const code = "import ast, json, sys\nfor name, text in json.load(sys.stdin): ast.parse(text, name)";
    python(code, JSON.stringify(sources));
  });
});

describe("hostlists in guest and planner", () => {
  it("are read alike", () => {
    const name = fc.tuple(fc.constantFrom("n", "gpu-", "a1b"), fc.integer({ min: 0, max: 2000 }), fc.nat(4));
    const names = fc.uniqueArray(
      name.map(([prefix, number, width]) => `${prefix}${String(number).padStart(width, "0")}`),
      { minLength: 1, maxLength: 40 },
    );
    const lists = fc.sample(names, 200).map((each) => foldHostlist(each));
    const code =
      "import json, sys\nfrom hyperlab import hostlist\n" +
      "print(json.dumps([hostlist.expand(text) for text in json.load(sys.stdin)]))";
    const expanded: unknown = JSON.parse(python(code, JSON.stringify(lists)));
    expect(expanded).toEqual(lists.map((text) => expandHostlist(text)));
  });

  it("are refused with an error where they are none", () => {
    const texts = fc.sample(fc.string({ unit: fc.constantFrom(..."n01[]-,".split("")), maxLength: 12 }), 500);
    const code = [
      "import json, sys",
      "from hyperlab import hostlist",
      "for text in json.load(sys.stdin):",
      "    try: hostlist.expand(text)",
      "    except ValueError: pass",
      "try: hostlist.expand('n[1-99999]'); sys.exit('too many names were accepted')",
      "except ValueError: pass",
    ].join("\n");
    python(code, JSON.stringify(texts));
  });
});
