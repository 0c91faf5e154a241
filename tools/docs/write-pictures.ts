/** Writes the pictures of README.md: `node tools/docs/write-pictures.ts`. A test compares them with the committed ones. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pictures } from "./pictures.ts";

for (const [file, content] of pictures()) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
