import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { applyPreparation, mayApply } from "../../../tools/commands/host-prepare.ts";
import { checkHostState } from "../../../tools/host/checks/index.ts";
import { type SystemFacts, unknownSystem } from "../../../tools/host/facts.ts";
import { parseAssignments } from "../../../tools/host/parse.ts";
import {
  diffLines,
  dropInOf,
  type Preparation,
  planPreparation,
  withoutBlock,
} from "../../../tools/host/prepare.ts";
import { known } from "../../../tools/preflight/facts.ts";
import { Refusal } from "../../../tools/preflight/refusal.ts";
import { Reporter } from "../../../tools/report/progress.ts";
import { healthy, healthySystem, needs, units } from "./facts.ts";

const path = "/etc/default/libvirt-guests";
const withSettings = (text: string | undefined) => healthySystem({ guestsFile: known({ path, text }) });
const nothing: Preparation = { first: [], files: [], commands: [], open: [], conflicts: [] };

/** The system after the settings of a plan are there. */
function applied(system: SystemFacts, plan: Preparation): SystemFacts {
  const file = plan.files.find((change) => change.path === path);
  return file === undefined ? system : { ...system, guestsFile: known({ path, text: file.after }) };
}

/** Whatever an administrator may have in the file. */
const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "# comment",
        "",
        "ON_SHUTDOWN=suspend",
        "ON_SHUTDOWN=shutdown",
        "ON_BOOT=start",
        "URIS=default",
      ),
      fc.nat(9000).map((seconds) => `SHUTDOWN_TIMEOUT=${seconds}`),
      fc.nat(9).map((number) => `PARALLEL_SHUTDOWN="${number}"`),
    ),
    { maxLength: 8 },
  )
  .map((lines) => lines.join("\n"));

describe("what a host needs", () => {
  it("is nothing where it is set up well", () => {
    expect(planPreparation(healthySystem(), needs)).toEqual(nothing);
  });

  it("is settings at the end of libvirt-guests' file, which say who wrote them and how to undo it", () => {
    const [file] = planPreparation(withSettings("# mine\nURIS=default"), needs).files;
    expect(file?.after).toBe(`# mine
URIS=default
# >>> hyperlab ("hyperlab host prepare"). To undo: delete this block. >>>
ON_SHUTDOWN=shutdown
SHUTDOWN_TIMEOUT=3900
PARALLEL_SHUTDOWN=100
# <<< hyperlab <<<
`);
    expect(file?.overrides).toEqual([]);
  });

  it("names the values that somebody set and that would count no more", () => {
    const [file] = planPreparation(withSettings("ON_SHUTDOWN=suspend\nSHUTDOWN_TIMEOUT=9000\n"), needs).files;
    expect(file?.overrides).toEqual([`ON_SHUTDOWN=suspend in ${path}`]);
    // A value that is good enough stays.
    expect(parseAssignments(file?.after ?? "").get("SHUTDOWN_TIMEOUT")).toBe("9000");
  });

  it("is nothing more once it was written, keeps every line of the administrator, and mends what was found", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const before = withSettings(text);
        const plan = planPreparation(before, needs);
        const after = applied(before, plan);
        expect(planPreparation(after, needs)).toEqual(nothing);
        const left = after.guestsFile.known ? (after.guestsFile.value.text ?? "") : "";
        expect(withoutBlock(left).replace(/\n$/, "")).toBe(text.replace(/\n$/, ""));
        const open = checkHostState(healthy(after), needs).filter(({ state }) => state !== "passed");
        expect(open).toEqual([]);
      }),
    );
  });

  it("grows with the needs in the same block", () => {
    const first = applied(
      withSettings("URIS=default\n"),
      planPreparation(withSettings("URIS=default\n"), needs),
    );
    const longer = {
      ...needs,
      machines: needs.machines.map((machine) => ({ ...machine, drainSeconds: 7200 })),
    };
    const second = applied(first, planPreparation(first, longer));
    const text = second.guestsFile.known ? (second.guestsFile.value.text ?? "") : "";
    expect(text.match(/>>> hyperlab/g)).toHaveLength(1);
    expect(parseAssignments(text).get("SHUTDOWN_TIMEOUT")).toBe("7500");
  });

  it("is drop-ins where systemd is too impatient, and the service where it is off", () => {
    const system = healthySystem({
      units: known(
        units({
          "libvirt-guests.service": { TimeoutStopUSec: "1min 30s", UnitFileState: "disabled" },
          "poweroff.target": { JobTimeoutUSec: "30min" },
        }),
      ),
    });
    const plan = planPreparation(system, needs);
    expect(plan.files.map((file) => [file.path, file.after?.split("\n").slice(1, 3)])).toEqual([
      [dropInOf("libvirt-guests.service"), ["[Service]", "TimeoutStopSec=infinity"]],
      [dropInOf("poweroff.target"), ["[Unit]", "JobTimeoutSec=4500"]],
    ]);
    expect(plan.commands).toEqual([
      ["systemctl", "daemon-reload"],
      ["systemctl", "enable", "--now", "libvirt-guests.service"],
    ]);
  });

  it("says where another file overrides its own, instead of writing it again and again", () => {
    const system = healthySystem({ units: known(units({ "reboot.target": { JobTimeoutUSec: "30min" } })) });
    const [file] = planPreparation(system, needs).files;
    const again = { ...system, dropIns: new Map([[file?.path ?? "", file?.after ?? ""]]) };
    const plan = planPreparation(again, needs);
    expect(plan.files).toEqual([]);
    expect(plan.open.join()).toContain("another file overrides it");
  });

  it("is not guessed where nothing is known", () => {
    const plan = planPreparation(unknownSystem("no route to host"), needs);
    expect({ files: plan.files, commands: plan.commands }).toEqual({ files: [], commands: [] });
    expect(plan.open.join()).toContain("no route to host");
  });
});

describe("a diff", () => {
  it("is empty for equal texts, and leads from one text to the other", () => {
    const lines = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 8 });
    fc.assert(
      fc.property(lines, lines, (old, next) => {
        const diff = diffLines(old.join("\n"), next.join("\n"));
        expect(diff.length === 0).toBe(old.join("\n") === next.join("\n"));
        const removed = diff.filter((line) => line.startsWith("-")).length;
        const added = diff.filter((line) => line.startsWith("+")).length;
        expect(old.length - removed + added).toBe(next.length);
      }),
    );
  });
});

describe("applying", () => {
  const root = mkdtempSync(join(tmpdir(), "hyperlab-prepare-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("writes the files with the rights that they had, then runs the commands", async () => {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "URIS=default\n", { mode: 0o640 });
    const said: string[] = [];
    const report = new Reporter({ write: (text) => void said.push(text), isTerminal: false, columns: 80 });
    const system = {
      ...withSettings("URIS=default\n"),
      units: known(units({ "reboot.target": { JobTimeoutUSec: "30min" } })),
    };
    const commands: string[] = [];
    await applyPreparation(planPreparation(system, needs), report, root, async (command) => {
      commands.push(command.join(" "));
    });
    expect(parseAssignments(readFileSync(file, "utf8")).get("SHUTDOWN_TIMEOUT")).toBe("3900");
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(root, dropInOf("reboot.target")), "utf8")).toContain(
      "To undo: delete this file",
    );
    expect(commands).toEqual(["systemctl daemon-reload"]);
    expect(said.join("")).toContain(`Written: ${path}`);
  });

  it("is refused for another machine, and without root", () => {
    expect(() => mayApply("qemu+ssh://host/system", 0)).toThrow(Refusal);
    expect(() => mayApply("qemu:///system", 1000)).toThrow(/only root/);
    expect(() => mayApply("qemu:///system", 0)).not.toThrow();
  });
});
