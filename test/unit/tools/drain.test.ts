import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type DrainRequest, drainBy } from "../../../tools/commands/drain.ts";
import { HAND_PREFIX, handReason, ownerOf, PROGRAM_PREFIX } from "../../../tools/drain/nodes.ts";
import { run } from "../../../tools/process/run.ts";
import { Reporter } from "../../../tools/report/progress.ts";

/** Lines as scontrol 24.11 prints them, shortened in the middle. */
const line = (name: string, state: string, reason = "", by = "root") =>
  `NodeName=${name} Arch=x86_64 NodeAddr=10.50.0.2 State=${state} ThreadsPerCore=1 Owner=N/A Partitions=main  AllocTRES=cpu=2 ` +
  (reason === "" ? "" : ` Reason=${reason} [${by}@2026-11-26T09:03:32]`);
const NODES = [
  line("n1", "MIXED+DRAIN", "hyperlab: memory 1 to 2 GiB (x, y=1)"),
  line("n2", "IDLE+DRAIN", "broken fan", "grace"),
  line("n3", "IDLE+DRAIN", "hyperlab drain: repairs", "ada"),
  line("n4", "IDLE"),
  line("n5", "DOWN*", "Not responding", "slurm"),
].join("\n");
const JOBS = "7|ada|RUNNING|1795684411|10:00|n[1,4]\n8|bob|RUNNING|NONE|UNLIMITED|n1\n";

async function said(request: Partial<DrainRequest>) {
  const commands: string[] = [];
  let text = "";
  const reporter = new Reporter(
    {
      write: (piece) => {
        text += piece;
      },
      isTerminal: false,
      columns: 200,
    },
    false,
  );
  const shell = async (command: string) => {
    commands.push(command);
    return command.includes("squeue") ? JOBS : command.includes("show nodes") ? NODES : "";
  };
  const asked = { names: [], cancel: false, reason: "", json: false, user: undefined, ...request };
  const code = await drainBy(shell, asked, reporter);
  return { code, text, changes: commands.filter((command) => command.includes("sudo")) };
}

describe("hyperlab drain", () => {
  it("shows drained nodes with owner, jobs, their latest end, and reason", async () => {
    const { code, text, changes } = await said({});
    expect({ code, changes }).toEqual({ code: 0, changes: [] });
    expect(text).toMatch(
      /n1 +MIXED\+DRAIN +hyperlab +7 of ada: 2026-11-26 09:13 UTC +hyperlab: memory 1 to 2/,
    );
    expect(text).toMatch(/ +8 of bob: UNLIMITED/);
    expect(text).toMatch(/n2 +IDLE\+DRAIN +somebody else +broken fan/);
    expect(text).toMatch(/n3 +IDLE\+DRAIN +by hand +hyperlab drain: repairs/);
    expect(text).toMatch(/n5 +DOWN +somebody else/);
    expect(text).not.toContain("n4");
  });

  it("gives the same as JSON", async () => {
    const { text } = await said({ json: true });
    expect(JSON.parse(text).nodes[0]).toEqual({
      name: "n1",
      state: "MIXED+DRAIN",
      reason: "hyperlab: memory 1 to 2 GiB (x, y=1)",
      owner: "hyperlab",
      setBy: "root",
      jobs: [
        { id: "7", user: "ada", state: "RUNNING", latestEnd: "2026-11-26T09:13:31.000Z" },
        { id: "8", user: "bob", state: "RUNNING", latestEnd: null },
      ],
    });
  });

  it("takes back every drain of ours and names those of others", async () => {
    const { changes, code, text } = await said({ cancel: true });
    expect(code).toBe(0);
    expect(changes).toEqual(["sudo -n scontrol update nodename=n1,n3 state=resume"]);
    expect(text).toContain('n2 is drained by grace: "broken fan"; hyperlab leaves it alone');
    expect(text).toContain("n1 serves again");
  });

  it.each([[["n1", "n2"]], [["n1", "n9"]]])(
    "changes nothing where %j holds a foreign or unknown node",
    async (names) => {
      const { changes, code, text } = await said({ cancel: true, names });
      expect({ changes, code }).toEqual({ changes: [], code: 1 });
      expect(text).toContain("Nothing was changed");
    },
  );

  it("drains by hand with a reason that no program takes back, and keeps a foreign one", async () => {
    const { changes, text } = await said({ names: ["n4", "n2"], reason: "new 'disk'\n" });
    expect(changes).toEqual([
      "sudo -n scontrol update nodename=n4 state=drain 'reason=hyperlab drain: new disk'",
    ]);
    expect(text).toContain('n2 is drained by grace: "broken fan"; its reason is kept');
  });

  it("knows our reasons as the guest's programs know them", () => {
    const guest = readFileSync("images/guest/usr/lib/hyperlab/hyperlab/drain.py", "utf8");
    expect(guest).toContain(`PREFIX = "${PROGRAM_PREFIX}"`);
    expect(HAND_PREFIX.startsWith(PROGRAM_PREFIX)).toBe(false);
    expect(ownerOf(handReason(""))).toBe("by-hand");
    expect(ownerOf("hyperlab: x")).toBe("hyperlab");
    expect(ownerOf(" hyperlab: x")).toBe("other");
  });
});

describe("its command line", () => {
  const hyperlab = (...args: string[]) =>
    run(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/main.ts", "hyperlab", ...args]);

  it("explains itself", async () => {
    const { code, stdout } = await hyperlab("drain", "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Usage: hyperlab drain \[options\] \[nodes\.\.\.\]/);
    expect(stdout).toContain("--cancel");
  });
});
