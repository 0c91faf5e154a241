import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type Inventory, lostBy } from "../../../tools/backup/inventory.ts";
import type { Manifest } from "../../../tools/backup/manifest.ts";
import { backupBy } from "../../../tools/commands/backup.ts";
import { restoreBy } from "../../../tools/commands/restore.ts";
import { interruptible } from "../../../tools/process/interruptible.ts";
import { run } from "../../../tools/process/run.ts";
import { Reporter } from "../../../tools/report/progress.ts";
import { size } from "../../../tools/report/size.ts";
import {
  type ControllerProgram,
  controllerProgram,
  streamed,
} from "../../../tools/ssh/controller-program.ts";
import { stateLayout } from "../../../tools/state/layout.ts";
import { stackPassphrase } from "../../../tools/state/passphrase.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperlab-backup-commands-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const silent = (): void => undefined;
const report = new Reporter({ write: silent, isTerminal: false, columns: 200 }, false);

async function* from(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function text(pieces: AsyncIterable<Buffer>): Promise<string> {
  let found = "";
  for await (const piece of pieces) found += piece.toString();
  return found;
}

describe("a program with a stream on either side", () => {
  const shell = (script: string, input: AsyncIterable<Buffer>, signal?: AbortSignal) =>
    text(
      streamed("sh", ["-c", script], input, {
        say: silent,
        signal,
        explain: (code, said) => `code ${code}: ${said}`,
      }),
    );

  it("gets its input and gives its output", async () => {
    expect(await shell("cat; echo b >&2", from("a", "b"))).toBe("ab");
  });

  it("that fails, early too, says why", async () => {
    await expect(shell("echo no >&2; exit 3", from("x".repeat(1e6)))).rejects.toThrow("code 3: no");
  });

  it("is ended where its input fails, before it takes that for the end", async () => {
    const done = join(folder, "took-it");
    async function* broken(): AsyncGenerator<Buffer> {
      yield Buffer.from("half");
      throw new Error("the file was altered");
    }
    await expect(shell(`cat >/dev/null; touch ${done}`, broken())).rejects.toThrow("altered");
    expect(existsSync(done)).toBe(false);
  });

  it("is ended by an interrupt", async () => {
    const outcome = await interruptible(async (signal) => {
      process.emit("SIGINT");
      return shell("sleep 60", from(), signal);
    });
    expect(outcome).toEqual({ interrupted: true });
  });

  it("needs a controller", () => {
    expect(() => controllerProgram({ config: "", hosts: [] }, undefined)).toThrow(/no controller/);
  });
});

const HAVE: Inventory = {
  ...{ cluster: "lab", slurm: "24.11", homes: "controller" },
  ...{ jobs: 0, recorded: 0, used: [] },
};
const MANIFEST: Manifest = {
  ...{ format: 1, cluster: "lab", slurm: "24.11", date: "2026-11-26T13:00:00.000Z", stack: "dev" },
  members: ["slurmctld.tar", "database.sql", "homes.tar"].map((name) => ({
    ...{ name, bytes: 0, sha256: "0".repeat(64) },
  })),
};

/** A controller that has something, and what was asked of it. */
function controllerWith(have: Partial<Inventory>): { program: ControllerProgram; verbs: string[] } {
  const verbs: string[] = [];
  async function* program(verb: string): AsyncGenerator<Buffer> {
    verbs.push(verb);
    yield Buffer.from(JSON.stringify({ ...HAVE, ...have }));
  }
  return { program, verbs };
}

describe("hyperlab restore", () => {
  const work = {
    ...{ file: "none", passphrase: "x", withoutHomes: false, yes: false, json: false, interactive: false },
  };

  it("refuses a backup of another cluster, whatever is confirmed", async () => {
    const { program, verbs } = controllerWith({ cluster: "other" });
    const refused = restoreBy(program, MANIFEST, { ...work, yes: true }, report);
    await expect(refused).rejects.toThrow(/of cluster lab, the controller serves other/);
    expect(verbs).toEqual(["inventory"]);
  });

  it.each([{ jobs: 1 }, { recorded: 7 }, { used: ["ada"] }])(
    "replaces %j only where that is confirmed",
    async (have) => {
      const { program, verbs } = controllerWith(have);
      await expect(restoreBy(program, MANIFEST, work, report)).rejects.toThrow(/nobody can be asked here/);
      const interactive = { ...work, interactive: true };
      for (const answer of [undefined, "", "y", "Lab"]) {
        const question = async (): Promise<string | undefined> => answer;
        expect(await restoreBy(program, MANIFEST, interactive, report, { question })).toBe(1);
      }
      expect(verbs).not.toContain("restore");
      const question = async (): Promise<string> => "lab";
      expect(await restoreBy(program, MANIFEST, interactive, report, { question })).toBe(0);
      expect(await restoreBy(program, MANIFEST, { ...work, yes: true }, report)).toBe(0);
      expect(verbs.filter((verb) => verb === "restore")).toHaveLength(2);
    },
  );

  it("names what is lost; homes only where the backup has some", () => {
    const have = {
      ...HAVE,
      jobs: 2,
      recorded: 3,
      used: Array.from({ length: 12 }, (_, index) => `u${index}`),
    };
    expect(lostBy(have, false)).toEqual(["2 jobs in the queue", "accounting of 3 jobs"]);
    expect(lostBy(have, true).at(-1)).toMatch(/u0, .*u9, …/);
    expect(lostBy(HAVE, true)).toEqual([]);
  });

  it("says where the controller answers something else", async () => {
    const program: ControllerProgram = () => from("Welcome!");
    await expect(restoreBy(program, MANIFEST, work, report)).rejects.toThrow(/not understood: Welcome!/);
  });
});

describe("hyperlab backup", () => {
  it("leaves nothing where it is interrupted, at once or in the middle", async () => {
    for (const early of [true, false]) {
      async function* endless(signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
        yield Buffer.from("M\0\0\0\x0aconfig.tar", "latin1");
        process.emit("SIGINT");
        yield* streamed("sleep", ["60"], from(), { say: silent, signal, explain: () => "" });
      }
      const program: ControllerProgram = (verb, _input, _say, signal) =>
        verb === "inventory" ? from(JSON.stringify(HAVE)) : endless(signal);
      const source = { stack: "dev", passphrase: "x", own: [], now: new Date() };
      const request = { homes: false, to: join(folder, "cut"), json: false, user: undefined };
      const outcome = await interruptible((signal) => {
        if (early) process.emit("SIGINT");
        return backupBy(program, source, request, report, signal);
      });
      expect(outcome).toEqual({ interrupted: true });
      expect(readdirSync(folder).filter((name) => name.startsWith("cut"))).toEqual([]);
    }
  });

  it("leaves nothing where the controller fails in the middle", async () => {
    const program: ControllerProgram = (verb) =>
      verb === "inventory" ? from(JSON.stringify(HAVE)) : failing();
    async function* failing(): AsyncGenerator<Buffer> {
      yield Buffer.from("M\0\0\0\x0aconfig.tar", "latin1");
      throw new Error("the connection was lost");
    }
    const to = join(folder, "new");
    const source = { stack: "dev", passphrase: "x", own: [], now: new Date() };
    const request = { homes: false, to, json: false, user: undefined };
    await expect(backupBy(program, source, request, report)).rejects.toThrow("the connection was lost");
    expect(readdirSync(folder).filter((name) => name.startsWith("new"))).toEqual([]);
  });
});

describe("the stack's passphrase", () => {
  const layout = (env: NodeJS.ProcessEnv) => stateLayout({ root: process.cwd(), stack: "dev", folder, env });
  const passphrase = (env: NodeJS.ProcessEnv): string => stackPassphrase(layout(env), env);

  it("is taken from where the engine takes it, and never empty", () => {
    const file = join(folder, "passphrase");
    writeFileSync(file, "generated\n");
    expect(passphrase({})).toBe("generated");
    expect(passphrase({ PULUMI_CONFIG_PASSPHRASE: "given" })).toBe("given");
    writeFileSync(join(folder, "other"), "other\n");
    expect(passphrase({ PULUMI_CONFIG_PASSPHRASE_FILE: join(folder, "other") })).toBe("other");
    expect(() => passphrase({ PULUMI_CONFIG_PASSPHRASE: "" })).toThrow(/is empty/);
    writeFileSync(file, "\n");
    expect(() => passphrase({})).toThrow(/is empty/);
  });
});

describe("a size", () => {
  it("has at most three digits before its unit, and few after", () => {
    expect([0, 1023, 1536, 700_000, 5 * 1024 ** 3].map(size)).toEqual([
      ...["0 bytes", "1023 bytes", "1.5 KiB", "684 KiB", "5.0 GiB"],
    ]);
    fc.assert(
      fc.property(fc.maxSafeNat(), (bytes) => {
        expect(size(bytes)).toMatch(/^\d{1,4}(\.\d)? (bytes|KiB|MiB|GiB|TiB)$/);
      }),
    );
  });
});

describe("the command line", () => {
  /** The command in a process of its own, without a terminal, on a state of its own. */
  const hyperlab = (...args: string[]) =>
    run(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", ...args], {
      env: {
        ...process.env,
        XDG_STATE_HOME: join(folder, "state"),
        HYPERLAB_STACK: "",
        PULUMI_BACKEND_URL: "",
      },
    });

  it("explains both, and wants a file to restore", async () => {
    const help = await hyperlab("backup", "--help");
    expect(help.stdout).toMatch(/--homes[\s\S]*encrypted with the stack's passphrase/);
    expect((await hyperlab("restore")).code).toBe(2);
  });

  it("refuses a file that is no backup before anything else, and a backup of nothing", async () => {
    const file = join(folder, "none.hyperlab-backup");
    writeFileSync(file, "no backup");
    const restore = await hyperlab("restore", file);
    expect(restore.code).toBe(1);
    expect(restore.stderr).toMatch(/none.hyperlab-backup cannot be restored: it is no backup of hyperlab/);
    const backup = await hyperlab("backup");
    expect(backup.code).toBe(1);
    expect(backup.stderr).toMatch(/has no machines to log in to/);
  });
});
