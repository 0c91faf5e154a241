import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { projectRoot } from "../../tools/paths.ts";

/** Builds a part of the project where it is out of date: tests use SDKs and plugins as a user would. */
export function buildPart(part: "--sdks" | "--plugins"): void {
  const script = join(projectRoot(), "tools", "build.mjs");
  const { status, stderr, stdout } = spawnSync(process.execPath, [script, part], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the project cannot be built:\n${stdout}${stderr}`);
}
