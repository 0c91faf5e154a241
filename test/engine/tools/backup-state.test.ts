import { rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { encodeFrame } from "../../../tools/backup/frames.ts";
import { backupBy, ownMembers } from "../../../tools/commands/backup.ts";
import type { Context } from "../../../tools/commands/context.ts";
import { checked } from "../../../tools/commands/restore.ts";
import { restoreState } from "../../../tools/commands/restore-state.ts";
import type { ControllerProgram } from "../../../tools/ssh/controller-program.ts";
import { prepareState } from "../../../tools/state/layout.ts";
import { stackPassphrase } from "../../../tools/state/passphrase.ts";
import { type EngineProject, engineProject } from "../../support/engine-project.ts";

let project: EngineProject | undefined;
afterEach(async () => {
  await project?.dispose();
  project = undefined;
});

const PROGRAM = `import * as pulumi from "@pulumi/pulumi";
import { randomBytes } from "node:crypto";
const input = pulumi.secret(randomBytes(32).toString("hex"));
const identity = new pulumi.Stash("secret", { input }, { ignoreChanges: ["input"] });
export const secret = identity.output;`;

/** A controller with nothing to save. */
async function* emptyController(verb: string): AsyncGenerator<Buffer> {
  const about = { format: 1, cluster: "lab", slurm: "24.11" };
  const manifest = { ...about, members: [] };
  if (verb === "backup") yield encodeFrame({ kind: "end", text: JSON.stringify(manifest) });
  else yield Buffer.from(JSON.stringify({ ...about, homes: "controller", jobs: 0, recorded: 0, used: [] }));
}

describe("the state of a stack, from a backup", () => {
  it("comes back where it was lost, secrets and identity included, and nowhere else", async () => {
    project = await engineProject({ program: PROGRAM });
    const { layout, report, root, session } = project;
    await project.mustRun("up");
    const before = await project.outputs();
    expect(before.secret).toMatch(/^[0-9a-f]{64}$/);

    const file = join(layout.folder, "lab.hyperlab-backup");
    const passphrase = stackPassphrase(layout, {});
    const context: Context = { root, cache: "", report, layout, interactive: false, env: {} };
    const program: ControllerProgram = emptyController;
    const own = await ownMembers(context, session);
    const source = { stack: "dev", passphrase, own, now: new Date() };
    const manifest = await backupBy(
      program,
      source,
      { homes: false, to: file, json: false, user: undefined },
      report,
    );
    expect(manifest.members.map(({ name }) => name)).toEqual(["state.json", "stack.yaml"]);
    const archive = { file, passphrase, manifest: await checked(file, passphrase, report) };
    for (const { content } of own) expect(content.includes(String(before.secret))).toBe(false);
    const restore = (of = archive, passphraseOfStack = passphrase): Promise<number> =>
      restoreState(context, of, passphraseOfStack, async () => session);

    await expect(restore()).rejects.toThrow(/has a state with \d+ resources/);
    rmSync(join(layout.folder, "backend"), { recursive: true });
    rmSync(layout.projectFolder, { recursive: true });
    prepareState(layout, root);
    await expect(restore(archive, "another")).rejects.toThrow(/another passphrase[\s\S]*write it into/);
    const other = { ...archive, manifest: { ...manifest, stack: "other" } };
    await expect(restore(other)).rejects.toThrow(/state of stack other, not of dev/);

    expect(await restore()).toBe(0);
    expect(await project.outputs()).toEqual(before);
    expect((await project.mustRun("preview", ["--expect-no-changes"])).changes).toEqual({ same: 2 });
    expect(await readFile(layout.stackFile, "utf8")).toMatch(/^encryptionsalt: /m);
  });
});
