import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { imagesDirectory } from "../../images/guest.ts";
import { type DrainRequest, drainBy } from "../../tools/commands/drain.ts";
import { Reporter } from "../../tools/report/progress.ts";
import type { Answer } from "../support/namespace-shell.ts";
import { type SlurmServer, serveSlurm } from "../support/slurm-serve.ts";
import { waitFor } from "../support/wait.ts";

/** The guest's own quiesce on node n1 of a real SLURM; only the control groups of jobs are squeue's word here. */
const QUIESCE = `
import sys
from hyperlab import files, node, process, slurm
slurm.JWKS = "/proc/self/status"
slurm.this_node = lambda: "n1"
slurm.local_jobs = lambda: [job["id"] for job in slurm.jobs_on(["n1"]) if "COMPLETING" not in job["state"]]
files.write_json = lambda *arguments: None
files.remove = lambda *arguments: None
order = sys.argv[2] if len(sys.argv) > 2 else None
work = {"quiesce": lambda: node.quiesce("memory", 20 if order in ("requeue", "kill") else 0, order), "unquiesce": node.resume_self}
process.main(work[sys.argv[1]])
`;

let server: SlurmServer;
beforeAll(async () => {
  server = await serveSlurm();
}, 600_000);
afterAll(() => server?.stop());

const guest = (words: string): Promise<Answer> => {
  const programs = join(imagesDirectory(), "guest", "usr", "lib", "hyperlab");
  const code = Buffer.from(QUIESCE).toString("base64");
  return server.host(
    `PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${programs} python3 -c "$(echo ${code} | base64 -d)" ${words}`,
  );
};

async function command(request: Partial<DrainRequest>): Promise<{ code: number; text: string }> {
  let text = "";
  const write = (piece: string) => {
    text += piece;
  };
  const asked = { names: [], cancel: false, reason: "", json: false, user: undefined, ...request };
  const shell = (line: string) => server.slurm(line.replace(/^sudo -n /, ""));
  const code = await drainBy(shell, asked, new Reporter({ write, isTerminal: false, columns: 200 }, false));
  return { code, text };
}

const submit = async (options = ""): Promise<string> => {
  const job = await server.slurm(
    `sbatch --parsable -w n1 ${options} --chdir=/tmp -o /dev/null --wrap 'sleep 600'`,
  );
  await waitFor(`job ${job} runs`, async () => (await stateOf(job)) === "RUNNING", 30);
  return job;
};
const stateOf = (job: string): Promise<string> => server.slurm(`squeue -h -t all -j ${job} -o %T`);
const node = async (name = "n1"): Promise<string> => {
  const text = await server.slurm(`scontrol -o show node ${name}`);
  // Whoever resumes a node sees it as not responding until its daemon is asked again.
  const state = (/ State=(\S+)/.exec(text)?.[1] ?? "").replace("+NOT_RESPONDING", "");
  // The reason of a drain that was taken back may stay behind; it says nothing then.
  const reason = /DRAIN|DOWN/.test(state) ? / Reason=(.*?) \[/.exec(text)?.[1] : "";
  return `${state} ${reason ?? ""}`.trim();
};

describe("a drain on a real SLURM", () => {
  beforeEach(async () => {
    await server.slurm("scancel -u root; scontrol update nodename=n1 state=resume 2>/dev/null || true");
    let seen = "";
    const idle = async () => {
      seen = await node();
      return seen === "IDLE";
    };
    await waitFor("idle n1", idle, 20).catch(() => expect(seen).toBe("IDLE"));
  });

  it("that fails lists jobs with their latest ends and keeps them; --cancel takes it back", async () => {
    const limited = await submit("-t 10");
    const endless = await submit();
    expect(await guest("quiesce")).toMatchObject({ code: 75 });
    const { code, text } = await guest("quiesce fail");
    expect(code).toBe(76);
    expect(text).toMatch(
      new RegExp(`${limited} of root, until \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC at the latest`),
    );
    expect(text).toContain(`${endless} of root, no time limit (UNLIMITED)`);
    expect(await node()).toBe("MIXED+DRAIN hyperlab: memory");
    expect(JSON.parse((await command({ json: true })).text).nodes).toMatchObject([
      {
        name: "n1",
        owner: "hyperlab",
        setBy: "root",
        jobs: [{ id: limited }, { id: endless, latestEnd: null }],
      },
    ]);
    expect(await command({ cancel: true })).toMatchObject({ code: 0 });
    expect(await node()).toBe("MIXED");
    for (const job of [limited, endless]) expect(await stateOf(job)).toBe("RUNNING");
  });

  it("that requeues empties the node, and lists what cannot be requeued", async () => {
    const job = await submit();
    await guest("quiesce");
    expect(await guest("quiesce requeue")).toEqual({ code: 0, text: "" });
    expect(await stateOf(job)).toBe("PENDING");
    await guest("unquiesce");
    const [movable, fixed] = [await submit(), await submit("--no-requeue")];
    await guest("quiesce");
    const { code, text } = await guest("quiesce requeue");
    expect(code).toBe(76);
    expect(text).toMatch(new RegExp(`${fixed} of root, .*submitted with --no-requeue`));
    expect(await stateOf(fixed)).toBe("RUNNING");
    await waitFor(`job ${movable} is back`, async () => (await stateOf(movable)) === "PENDING", 30);
  });

  it("that kills cancels every job", async () => {
    const jobs = [await submit(), await submit("--no-requeue")];
    await guest("quiesce");
    expect(await guest("quiesce kill")).toEqual({ code: 0, text: "" });
    for (const job of jobs) expect(await stateOf(job)).toBe("CANCELLED");
    expect(await node()).toBe("IDLE+DRAIN hyperlab: memory");
  });

  it.each(["drain", "down"])("of somebody else (%s) is neither overwritten nor taken back", async (state) => {
    await server.slurm(`scontrol update nodename=n1 state=${state} reason='broken fan'`);
    const before = await node();
    expect(before).toMatch(/ broken fan$/);
    expect(await guest("quiesce")).toMatchObject({ code: 0 });
    expect(await guest("unquiesce")).toMatchObject({ code: 0 });
    expect(await command({ cancel: true, names: ["n1"] })).toMatchObject({ code: 1 });
    expect((await command({ cancel: true })).code).toBe(0);
    expect(await command({ names: ["n1"], reason: "mine" })).toMatchObject({ code: 0 });
    expect(await node()).toBe(before);
  });

  it("by hand outlives what programs take back", async () => {
    await command({ names: ["n1"], reason: "new disk" });
    expect(await node()).toBe("IDLE+DRAIN hyperlab drain: new disk");
    await guest("quiesce");
    await guest("unquiesce");
    expect(await node()).toBe("IDLE+DRAIN hyperlab drain: new disk");
    await command({ cancel: true, names: ["n1"] });
    expect(await node()).toBe("IDLE");
  });
});
