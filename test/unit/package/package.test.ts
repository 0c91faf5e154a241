import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { afterEach, describe, expect, it } from "vitest";
import { linkNode } from "../../../tools/link-programs.mjs";

/** Folders whose exported functions, classes and types other people build on. */
const PUBLIC = ["components", "config", "lab", "planning"];

const sourcesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));

/** Names that a file exports without a doc comment; re-exports have theirs where they are declared. */
function undocumented(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  return source.statements.flatMap((statement) => {
    const exported =
      ts.canHaveModifiers(statement) &&
      ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
    if (exported !== true || ts.getJSDocCommentsAndTags(statement).length > 0) return [];
    const line = source.getLineAndCharacterOfPosition(statement.getStart()).line + 1;
    return [`${file}:${line} ${statement.getText().split("\n")[0]}`];
  });
}

describe("the package", () => {
  it("has the entry that package.json promises", async () => {
    const { exports } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(exports["."]).toEqual({ types: "./dist/index.d.ts", default: "./dist/index.js" });
    expect(existsSync("index.ts")).toBe(true);
    const entry = await import("../../../index.ts");
    for (const name of ["declareLab", "HpcCluster", "StackIdentity", "loadLabFile", "planLab"])
      expect(entry).toHaveProperty(name);
  });

  it("explains everything that it exports", () => {
    expect(PUBLIC.flatMap(sourcesIn).flatMap(undocumented)).toEqual([]);
  });
});

describe("the Node among the dependencies", () => {
  let root = "";
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it("is found by programs and plugins whatever npm linked", () => {
    root = realpathSync(mkdtempSync(join(tmpdir(), "hyperlab läb ")));
    linkNode(root);
    expect(existsSync(join(root, "node_modules"))).toBe(false);
    const folder = join(root, "node_modules", `node-${process.platform}-${process.arch}`, "bin");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "node"), "");
    for (const _ of ["first", "second"]) {
      linkNode(root);
      expect(realpathSync(join(root, "node_modules", ".bin", "node"))).toBe(join(folder, "node"));
    }
  });
});
