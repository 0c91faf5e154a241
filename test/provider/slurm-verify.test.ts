import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { imagesDirectory } from "../../images/guest.ts";
import { type SlurmServer, serveSlurm } from "../support/slurm-serve.ts";
import { waitFor } from "../support/wait.ts";

/** The guest's own proof of a cluster, on a real SLURM; it does not wait as long here before it asks. */
const VERIFY = `
import sys, time
from hyperlab import process, slurm, verify
verify.PATIENCE_SECONDS = 2
wanted = {"nodes": [{"name": name, "running": True} for name in ("n1", "n2")]}
work = lambda: print(verify.run_job("root", slurm.all_nodes(), wanted, time.monotonic() + 60, print) or "no node")
process.main(work)
`;

let server: SlurmServer;
beforeAll(async () => {
  server = await serveSlurm();
}, 600_000);
afterAll(() => server?.stop());
afterEach(() => server.slurm("scancel -u root"));

const verify = () => {
  const programs = join(imagesDirectory(), "guest", "usr", "lib", "hyperlab");
  const code = Buffer.from(VERIFY).toString("base64");
  return server.host(
    `PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=${programs} python3 -c "$(echo ${code} | base64 -d)"`,
  );
};

const fill = async (node: string): Promise<void> => {
  const job = await server.slurm(
    `sbatch --parsable --exclusive -w ${node} --chdir=/tmp -o /dev/null --wrap 'sleep 600'`,
  );
  const state = () => server.slurm(`squeue -h -t all -j ${job} -o %T`);
  await waitFor(`job ${job} runs`, async () => (await state()) === "RUNNING", 30);
};

describe("the job that proves a cluster", () => {
  it("runs where a node is free", async () => {
    await fill("n1");
    const { code, text } = await verify();
    expect(text).toMatch(/running a one-node job as root\nn2$/);
    expect(code).toBe(0);
  });

  it("is given up where jobs of others have every node, which stay", async () => {
    await fill("n1");
    await fill("n2");
    const { code, text } = await verify();
    expect(text).toContain("no job is run: jobs of others fill every node");
    expect(text).toMatch(/no node$/);
    expect(code).toBe(0);
    expect(await server.slurm("squeue -h -o '%j %T'")).toBe("wrap RUNNING\nwrap RUNNING");
  });
});
