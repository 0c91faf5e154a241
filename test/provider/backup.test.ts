import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Manifest } from "../../tools/backup/manifest.ts";
import { backupBy } from "../../tools/commands/backup.ts";
import { checked, type RestoreWork, restoreBy } from "../../tools/commands/restore.ts";
import { Reporter } from "../../tools/report/progress.ts";
import { type ControllerServer, serveController } from "../support/slurm-controller.ts";
import { waitFor } from "../support/wait.ts";

const PASSPHRASE = "the passphrase of the stack that was backed up";
const folder = mkdtempSync(join(tmpdir(), "hyperlab-backup-"));
const file = join(folder, "lab.hyperlab-backup");
const report = new Reporter({ write: () => undefined, isTerminal: false, columns: 200 }, false);
const work: RestoreWork = {
  file,
  passphrase: PASSPHRASE,
  withoutHomes: false,
  yes: false,
  json: false,
  interactive: false,
};

let server: ControllerServer | undefined;
let manifest: Manifest;
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const controller = (): ControllerServer => {
  if (server === undefined) throw new Error("no controller is up");
  return server;
};
const accounted = (): Promise<string> =>
  controller().slurm("sacct -X -n -P -S 2000-01-01 -o JobID,JobName,State | sed 's/ by .*//' | sort");
const queued = (): Promise<string> => controller().slurm("squeue -h -o '%A %j %T'");
const host = async (command: string): Promise<string> => {
  const { code, text } = await controller().host(command);
  expect(code, text).toBe(0);
  return text.trim();
};

async function runJob(name: string): Promise<void> {
  await controller().slurm(`sbatch -J ${name} --chdir=/tmp -o /dev/null --wrap true`);
  await waitFor(
    `${name} is accounted for`,
    async () => (await accounted()).includes(`|${name}|COMPLETED`),
    60,
  );
}

/** Everything on the state disk that a restore replaces, and what it leaves. */
const left = (): Promise<string> => host("ls -A /srv/hyperlab | sort | tr '\\n' ' '");

describe("a backup of Debian's SLURM with accounting", () => {
  beforeAll(async () => {
    server = await serveController();
  }, 600_000);

  it("is written while jobs run, as a file that only its owner reads", async () => {
    await runJob("first");
    await controller().slurm("sbatch -J held --hold --chdir=/tmp -o /dev/null --wrap true");
    await controller().slurm("sbatch -J running --chdir=/tmp -o /dev/null --wrap 'sleep 600'");
    await waitFor("running runs", async () => (await queued()).includes("running RUNNING"), 60);
    await host(
      "mkdir -p /srv/hyperlab/home/ada && echo thesis >/srv/hyperlab/home/ada/work && chown -R 2000:2000 /srv/hyperlab/home/ada",
    );
    const own = [{ name: "state.json", content: Buffer.from("{}") }];
    const source = { stack: "dev", passphrase: PASSPHRASE, own, now: new Date() };
    const request = { homes: true, to: file, json: false, user: undefined };
    manifest = await backupBy(controller().program, source, request, report);
    expect(manifest.members.map(({ name }) => name)).toEqual([
      ...["config.tar", "slurmctld.tar", "database.sql", "homes.tar", "state.json"],
    ]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await queued()).toContain("running RUNNING");
    expect(await left()).toBe("config home mysql slurmctld");
  }, 120_000);

  it("comes back on an empty controller with other keys: sacct lists the old jobs", async () => {
    await server?.stop();
    server = undefined;
    server = await serveController();
    expect(await accounted()).toBe("");
    expect(await checked(file, PASSPHRASE, report)).toEqual(manifest);
    expect(await restoreBy(controller().program, manifest, work, report)).toBe(0);
    expect(await accounted()).toMatch(/^1\|first\|COMPLETED\n3\|running\|/);
    expect(await queued()).toMatch(/^2 held PENDING$/m);
    expect(await host("stat -c %u /srv/hyperlab/home/ada/work; cat /srv/hyperlab/home/ada/work")).toBe(
      "2000\nthesis",
    );
    expect(await left()).toBe("config home mysql slurmctld");
  }, 300_000);

  it("serves: new jobs run, with numbers that follow the old ones", async () => {
    await controller().slurm("scancel 3");
    await runJob("second");
    expect(await accounted()).toMatch(/^4\|second\|COMPLETED$/m);
  }, 120_000);

  it("replaces nothing without being told to", async () => {
    const refused = restoreBy(controller().program, manifest, work, report);
    await expect(refused).rejects.toThrow(/accounting of \d jobs; homes in use.*\(ada\).*--yes/s);
    const asked = { ...work, interactive: true };
    const question = async (): Promise<string> => "yes";
    expect(await restoreBy(controller().program, manifest, asked, report, { question })).toBe(1);
    expect(await accounted()).toContain("4|second|COMPLETED");
  }, 120_000);

  it.each(["slurmctld", "mariadb"])(
    "leaves everything as it was where %s does not start with it",
    async (unit) => {
      await host(`echo changed >/srv/hyperlab/home/ada/work; touch $TREE/tmp/refuse-${unit}`);
      const before = await accounted();
      const failed = restoreBy(controller().program, manifest, { ...work, yes: true }, report);
      await expect(failed).rejects.toThrow(/does not want to.*Everything is as it was before, and serves/s);
      expect(await accounted()).toBe(before);
      expect(await queued()).toMatch(/^2 held PENDING$/m);
      expect(await host("cat /srv/hyperlab/home/ada/work")).toBe("changed");
      expect(await left()).toBe("config home mysql slurmctld");
    },
    120_000,
  );

  it("replaces what is there where that is confirmed", async () => {
    expect(
      await restoreBy(controller().program, manifest, { ...work, yes: true, withoutHomes: true }, report),
    ).toBe(0);
    expect(await accounted()).not.toContain("second");
    expect(await host("cat /srv/hyperlab/home/ada/work")).toBe("changed");
    await runJob("third");
  }, 120_000);
});
