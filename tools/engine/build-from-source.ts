import { join } from "node:path";
import { findProgram } from "../process/find-program.ts";
import { run } from "../process/run.ts";
import { compareVersions, ENGINE_VERSION, parseVersion } from "./version.ts";

/** A program that is built from Go modules pinned in tools/engine/go. */
export interface GoProgram {
  /** Name of the executable. */
  name: string;
  /** Folder with go.mod and go.sum, beside the others. */
  module: string;
  importPath: string;
  linkerFlags: string;
  /** Arguments that it is always run with: the executable is then a launcher of the real one. */
  fixedArguments?: readonly string[];
}

/** The engine. */
export const ENGINE: GoProgram = {
  name: "pulumi",
  module: "pulumi",
  importPath: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
  linkerFlags: `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${ENGINE_VERSION}`,
};

/** The program that runs Node programs for the engine. */
export const NODE_LANGUAGE_HOST: GoProgram = {
  name: "pulumi-language-nodejs",
  module: "language-nodejs",
  importPath: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
  linkerFlags: "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.68.0",
  // This version does not read `runtime.options` of Pulumi.yaml, and without the option it loads a TypeScript compiler
  // for programs that are compiled already: a second more per run.
  fixedArguments: ["-typescript=false"],
};

/** A script that runs the executable in `folder` beside it with fixed arguments first. */
export function launcher(program: GoProgram, folder: string): string {
  return [
    "#!/bin/sh",
    "self=$0",
    '[ -L "$self" ] && self=$(readlink -f -- "$self")',
    `exec "\${self%/*}/${folder}/${program.name}" ${(program.fixedArguments ?? []).join(" ")} "$@"`,
    "",
  ].join("\n");
}

/** From this version on, Go fetches the newer Go that a module asks for. */
const LEAST_GO = "1.21.0";

/** Reads the output of `go version`, for example `go version go1.21.4 linux/amd64`. */
export function parseGoVersion(text: string): string | undefined {
  const match = /\bgo(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? `${match[1]}.${match[2]}.${match[3] ?? "0"}` : undefined;
}

/** Whether this version of Go can build the programs. */
export function goIsUsable(version: string): boolean {
  const found = parseVersion(version);
  const least = parseVersion(LEAST_GO);
  return found !== undefined && least !== undefined && compareVersions(found, least) >= 0;
}

/** The Go tool-chain of this machine, or why there is none to use. */
export async function findGo(): Promise<{ go: string } | { problem: string }> {
  const go = findProgram("go") ?? findProgram("go", "/usr/local/go/bin:/usr/lib/go/bin");
  if (go === undefined) return { problem: "Go is not installed" };
  // Outside any module: a go.mod of the current folder must not make it fetch another Go now.
  const result = await run(go, ["version"], { timeoutMs: 10_000, cwd: "/" });
  const version = parseGoVersion(result.stdout);
  if (version === undefined) return { problem: `${go} does not tell its version` };
  return goIsUsable(version)
    ? { go }
    : { problem: `Go ${version} is too old; ${LEAST_GO} or newer is needed` };
}

/**
 * Builds a program into `folder`.
 * @param onProgress a few words on how far it is.
 * @throws Error with the end of the compiler's output.
 */
export async function buildGoProgram(
  go: string,
  program: GoProgram,
  modules: string,
  folder: string,
  onProgress: (text: string) => void,
): Promise<void> {
  const environment = { ...process.env, GOWORK: "off", CGO_ENABLED: "0", GOFLAGS: "-mod=readonly" };
  let downloaded = 0;
  let compiled = 0;
  const onLine = (line: string): void => {
    if (line.startsWith("go: downloading")) onProgress(`${++downloaded} modules fetched`);
    else if (/^[\w.]+(\/\S+)*$/.test(line)) onProgress(`${++compiled} packages compiled`);
  };
  const output = join(folder, program.name);
  const args = [
    "build",
    "-v",
    "-trimpath",
    "-ldflags",
    program.linkerFlags,
    "-o",
    output,
    program.importPath,
  ];
  const result = await run(go, args, { cwd: join(modules, program.module), env: environment, onLine });
  if (result.code === 0) return;
  const tail = result.stderr.trim().split("\n").slice(-12).join("\n");
  throw new Error(
    `${program.name} cannot be built from Go modules (${go} ended with ${result.code}):\n${tail}`,
  );
}
