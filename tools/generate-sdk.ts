/**
 * Generates the package @pulumi/libvirt in sdks/libvirt from the checked-in schema. Needs Go 1.21 or newer; the first
 * run downloads the modules of the generator.
 * Usage: node tools/generate-sdk.ts [FOLDER]
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Writes a fresh SDK into `folder`, which keeps its compiled code and nothing else. */
export function generateSdk(folder: string): void {
  const fresh = mkdtempSync(join(tmpdir(), "hyperlab-sdk-"));
  try {
    const schema = join(root, "providers/libvirt/schema.json");
    const result = spawnSync("go", ["run", ".", schema, fresh], {
      cwd: join(root, "tools/sdk-generator"),
      encoding: "utf8",
      env: { ...process.env, GOFLAGS: "-mod=readonly" },
    });
    if (result.error !== undefined) {
      throw new Error(`go could not be started (${result.error.message}); install Go 1.21 or newer`);
    }
    if (result.status !== 0) throw new Error(`the SDK could not be generated:\n${result.stderr.trim()}`);
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(folder)) {
      if (name !== "bin") rmSync(join(folder, name), { recursive: true });
    }
    cpSync(fresh, folder, { recursive: true });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  generateSdk(resolve(process.argv[2] ?? join(root, "sdks/libvirt")));
}
