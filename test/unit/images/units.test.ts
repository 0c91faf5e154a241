import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const UNITS = "images/guest/usr/lib/systemd/system";

/** Settings of a unit file by `Section.Key`, in order; a key may stand several times. */
function settings(file: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let section = "";
  for (const line of readFileSync(join(UNITS, file), "utf8").split("\n")) {
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section;
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? [];
    if (key === undefined) continue;
    const name = `${section}.${key}`;
    found.set(name, [...(found.get(name) ?? []), value ?? ""]);
  }
  return found;
}

describe("SLURM's units", () => {
  it.each(["slurmctld", "slurmd", "slurmdbd"])(
    "%s tries for ever, whatever order machines start in",
    (daemon) => {
      const unit = settings(`${daemon}.service.d/hyperlab.conf`);
      expect(unit.get("Service.Restart")).toEqual(["always"]);
      expect(unit.get("Unit.StartLimitIntervalSec")).toEqual(["0"]);
      // A hard dependency would end with the first failure of the other.
      expect([...unit.keys()]).not.toContain("Unit.Requires");
      expect([...unit.keys()]).not.toContain("Unit.BindsTo");
    },
  );

  it.each(["slurmctld", "slurmdbd", "mariadb", "nfs-server"])(
    "%s never starts without the state disk",
    (daemon) => {
      expect(settings(`${daemon}.service.d/hyperlab.conf`).get("Unit.RequiresMountsFor")).toEqual([
        "/srv/hyperlab",
      ]);
    },
  );

  it("a shutdown waits for jobs: after the scope that holds them, without a limit", () => {
    const unit = settings("hyperlab-self-drain.service");
    expect(unit.get("Unit.After")?.join().split(" ")).toEqual(
      expect.arrayContaining(["slurmd.service", "slurmstepd.scope", "%l_slurmstepd.scope", "home.mount"]),
    );
    expect(unit.get("Service.TimeoutStopSec")).toEqual(["infinity"]);
    for (const target of ["poweroff", "reboot", "halt", "kexec"])
      expect(settings(`${target}.target.d/hyperlab.conf`).get("Unit.JobTimeoutSec")).toEqual(["infinity"]);
  });

  it("are all read without an error of form", () => {
    const files = readdirSync(UNITS, { recursive: true, encoding: "utf8" }).filter((name) =>
      /\.\w+$/.test(name),
    );
    for (const file of files.filter((name) => !name.endsWith(".d"))) {
      for (const line of readFileSync(join(UNITS, file), "utf8").split("\n"))
        expect(line, file).toMatch(/^(|#.*|\[(Unit|Service|Install|Mount)\]|\w+=.*)$/);
    }
  });
});
