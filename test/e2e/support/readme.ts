/** What README.md says that can be tested: its commands, and its table of changes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../../tools/paths.ts";

export interface ReadmeCommand {
  /** Heading under which it stands. */
  readonly section: string;
  /** The line without its comment. */
  readonly command: string;
}

export interface ReadmeChange {
  /** First column: what a person wants. */
  readonly wish: string;
  /** YAML that is merged into `clusters.hpc`. */
  readonly change: string;
  /** The class of the effect. */
  readonly effect: string;
}

export const readmeText = (): string => readFileSync(join(projectRoot(), "README.md"), "utf8");

interface Block {
  readonly section: string;
  readonly language: string;
  readonly lines: readonly string[];
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let section = "";
  let open: { section: string; language: string; lines: string[] } | undefined;
  for (const line of text.split("\n")) {
    const fence = /^```(\w*)$/.exec(line);
    if (open === undefined && fence) open = { section, language: fence[1] ?? "", lines: [] };
    else if (open === undefined) section = /^##+ (.*)$/.exec(line)?.[1] ?? section;
    else if (fence === null) open.lines.push(line);
    else {
      blocks.push(open);
      open = undefined;
    }
  }
  return blocks;
}

/** Every command in a block of shell, in the order of the page. */
export function readmeCommands(text: string = readmeText()): ReadmeCommand[] {
  const shell = blocksOf(text).filter(({ language }) => /^(sh|bash|shell|console)$/.test(language));
  return shell.flatMap(({ lines, section }) =>
    lines
      .map((line) => line.replace(/(^|\s{2,})#\s.*$/, "").trim())
      .filter((command) => command !== "")
      .map((command) => ({ section, command })),
  );
}

/** The rows of the table "to | change | effect". */
export function readmeChanges(text: string = readmeText()): ReadmeChange[] {
  const table = /^\| to \|.*\n\|[-|]+\|\n((?:\|.*\n)+)/m.exec(text)?.[1] ?? "";
  return table.split("\n").flatMap((line) => {
    const match = /^\| (.+?) \| `(.+?)` \| \*\*(\w+)\*\*:/.exec(line);
    if (match === null && line !== "") throw new Error(`this row of README.md is not understood: ${line}`);
    const [, wish = "", change = "", effect = ""] = match ?? [];
    return match === null ? [] : [{ wish, change, effect }];
  });
}

/** The lines of the first block without a language that contains a text. */
export function readmeBlock(containing: string, text: string = readmeText()): readonly string[] {
  const plain = blocksOf(text).filter(({ language }) => language === "");
  const block = plain.find(({ lines }) => lines.some((line) => line.includes(containing)));
  if (block === undefined) throw new Error(`README.md has no block with ${containing}`);
  return block.lines;
}
