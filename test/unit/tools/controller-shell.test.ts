import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { controllerShell } from "../../../tools/ssh/controller.ts";

const client = { config: "/lab/ssh_config", hosts: ["lab-controller", "lab-compute-01"] };
const limits = { connectSeconds: 7, answerMs: 200 };
let folder = "";

/** The first `ssh` of the PATH. */
const sshIs = (script: string): void =>
  writeFileSync(join(folder, "ssh"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-ssh-"));
  vi.stubEnv("PATH", `${folder}${delimiter}${process.env.PATH}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe("a shell on the controller", () => {
  it("asks nobody and has a limit where nobody waits for it", async () => {
    sshIs('echo "$@"');
    const said = await controllerShell(client, undefined, { ...limits, answerMs: 60_000 })("hostname");
    expect(said).toBe("-F /lab/ssh_config -o ConnectTimeout=7 -o BatchMode=yes lab-controller hostname\n");
    expect(await controllerShell(client, "ada")("hostname")).toBe(
      "-F /lab/ssh_config -o ConnectTimeout=30 -l ada lab-controller hostname\n",
    );
    sshIs("exec sleep 60");
    await expect(controllerShell(client, undefined, limits)("hostname")).rejects.toThrow(
      "the controller lab-controller gave no answer in 0.2 s",
    );
  });

  it("tells a way that is closed from a command that failed", async () => {
    sshIs('echo "no route" >&2; exit 255');
    await expect(controllerShell(client, undefined)("hostname")).rejects.toThrow(
      "the controller lab-controller cannot be reached by ssh: no route",
    );
    sshIs('echo "no such" >&2; exit 3');
    await expect(controllerShell(client, undefined)("hostname")).rejects.toThrow(
      "on the controller lab-controller a command failed with 3: no such (command: hostname)",
    );
  });
});
