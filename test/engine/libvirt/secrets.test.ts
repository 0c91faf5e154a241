/** No secret in clear: not in the state, in logs, in what is shown, in processes, nor in definitions on the host. */
import { statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sshHostKeyPair } from "../../../providers/libvirt/identity/index.ts";
import type { Operation } from "../../../tools/engine/operate.ts";
import { machine } from "../support/guest.ts";
import { Lab, type Ran, type Stack } from "../support/lab.ts";
import { leaksBelow, leaksIn, ProcessWatch, type Secret } from "../support/leaks.ts";

const identity = "identity-4711-of-the-stack-which-nobody-may-see";
const firstPassword = "correct-horse-battery-staple";
const secondPassword = "tr0ub4dor-and-3-more-words";

/** The middle of a private key: headers are no secret, and the first and last lines are mostly fixed. */
function keyBody(name: string): string {
  const lines = sshHostKeyPair(identity, name).privateKey.trim().split("\n").slice(1, -1).join("");
  return lines.slice(-120, -20);
}

const secrets: readonly Secret[] = [
  { name: "the identity secret", text: identity },
  { name: "the password of the first seed", text: firstPassword },
  { name: "the password of the second seed", text: secondPassword },
  { name: "the host key of rests", text: keyBody("rests") },
  { name: "the host key of waits", text: keyBody("waits") },
];

let lab: Lab;
let stack: Stack;
const runs: Ran[] = [];
let watched: Awaited<ReturnType<ProcessWatch["stop"]>>;

async function setSecrets(password: string): Promise<void> {
  writeFileSync(
    lab.folder("secrets.json"),
    JSON.stringify({ identity, userData: `#cloud-config\npassword: ${password}\n` }),
    { mode: 0o600 },
  );
}

async function declare(waiting: boolean): Promise<void> {
  const key = { deriveSshHostKey: true, guestAgent: true };
  await stack.declareSecrets({
    pool: { name: "lab", path: lab.folder("pool") },
    secretsFile: lab.folder("secrets.json"),
    machines: {
      rests: machine("rests", { ...key, running: false }),
      ...(waiting
        ? {
            waits: machine("waits", {
              ...key,
              ready: { wait: "agent", timeoutSeconds: 3 },
              stop: { timeoutSeconds: 1, onTimeout: "powerOff" },
            }),
          }
        : {}),
    },
  });
}

async function run(operation: Operation, args: readonly string[] = []): Promise<Ran> {
  const ran = await stack.run(operation, args);
  runs.push(ran);
  return ran;
}

describe("a stack with a secret for host keys and secret user data", () => {
  beforeAll(async () => {
    lab = await Lab.start();
    stack = await lab.stack("owner-of-secrets", { program: "test/engine/support/secrets-program.ts" });
    const watch = new ProcessWatch(secrets);
    watch.start();
    await setSecrets(firstPassword);
    await declare(false);
    await run("preview", ["--diff"]);
    // Not with --debug: then Pulumi's own SDK prints what a program registers, secrets too.
    await run("up");
    // A guest without an agent never gets its key: errors show what they know.
    await setSecrets(secondPassword);
    await declare(true);
    await run("preview", ["--diff", "--show-replacement-steps"]);
    await run("up", ["--diff"]);
    await run("refresh", ["--diff"]);
    watched = await watch.stop();
  });
  afterAll(async () => {
    await lab?.stop();
  });

  it("does what it shall: the runs succeed, but for the machine that has no agent", () => {
    expect(runs.map(({ code }) => code === 0)).toEqual([true, true, true, false, true]);
    expect(runs[3]?.text).toMatch(/waits is running, but got no identity within 3 s/);
    expect(runs[3]?.ops.seed).toEqual(expect.arrayContaining(["replace"]));
  });

  it("shows none of them", () => {
    for (const { text } of runs) expect(leaksIn(Buffer.from(text), secrets)).toEqual([]);
    expect(leaksIn(Buffer.from(stack.project.shown()), secrets)).toEqual([]);
    for (const { events } of runs) expect(leaksIn(Buffer.from(JSON.stringify(events)), secrets)).toEqual([]);
  });

  it("keeps none of them in clear: state, history, backups, logs, plugins' and engine's files", async () => {
    expect((await stack.state()).text).toContain("ciphertext");
    expect(await leaksBelow(dirname(stack.project.root), secrets)).toEqual([]);
  });

  it("puts none of them into the arguments or the environment of a process", () => {
    expect(watched.programs.some((program) => program.endsWith("pulumi"))).toBe(true);
    expect(watched.programs.some((program) => program.includes("qemu-system"))).toBe(true);
    expect(watched.leaks).toEqual([]);
  });

  it("leaves none of them on the host but in the seed, which root alone reads", async () => {
    for (const folder of ["etc", "log", "lib", "run"]) {
      expect(await leaksBelow(lab.folder(folder), secrets)).toEqual([]);
    }
    const inPool = await leaksBelow(lab.folder("pool"), secrets);
    expect(inPool).toEqual([`${lab.folder("pool")}/seed holds the password of the second seed`]);
    const { mode, uid } = statSync(join(lab.folder("pool"), "seed"));
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: 0 });
  });

  it("leaves nothing on the host in the end", async () => {
    await stack.must("destroy");
    const { domains, pools, volumes } = await lab.inventory();
    expect({ domains, pools, volumes }).toEqual({ domains: {}, pools: {}, volumes: [] });
  });
});
