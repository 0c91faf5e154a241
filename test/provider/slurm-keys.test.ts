import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { clusterKeys } from "../../components/hpc-cluster/keys.ts";
import { imagesDirectory } from "../../images/guest.ts";
import { lintInput } from "../../planning/slurm/lint-plan.ts";
import { scriptInNamespaces, slurmTree } from "../support/slurm-tree.ts";
import { config, planned } from "../unit/planning/lab.ts";

const keys = (generation: number) =>
  clusterKeys("5".repeat(64), "lab", { "slurm-key": generation, "db-password": generation });

/** What the guest's own programs say. */
const guest = (code: string, input: string): string =>
  execFileSync("python3", ["-c", code], {
    env: { ...process.env, PYTHONPATH: join(imagesDirectory(), "guest", "usr", "lib", "hyperlab") },
    input,
    encoding: "utf8",
  });

/** The sets of keys that the guest installs, one after the other. */
function steps(from: string, to: string): string[] {
  const code = `
import json, sys
from hyperlab import rotation
active, wanted = json.load(sys.stdin)
sets = []
while (step := rotation.following(active, wanted)) is not None:
    active = step[1]
    sets.append(active)
print(json.dumps(sets))`;
  return JSON.parse(guest(code, JSON.stringify([from, to])));
}

const accountSql = (password: string): string =>
  guest("import sys; from hyperlab import database; print(database.account_sql(sys.stdin.read()))", password);

/** Files of a cluster of two nodes whose jobs run without control groups, as a test has none to give. */
function files(): Record<string, string> {
  const lab = config({
    nodes: "compute_nodes: { count: 2, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }",
  });
  const { slurmConf, slurmdbdConf } = lintInput(planned(lab));
  const replaced =
    /^(ProctrackType|TaskPlugin|JobAcctGatherType|PrologFlags|SlurmdSpoolDir|SlurmdParameters|SlurmdLogFile|MailProg)=.*\n/gm;
  const [first, second] = [keys(1), keys(2)];
  const sets = steps(first.slurmJwks, second.slurmJwks);
  const dbd = (password: string) => slurmdbdConf.replace("@databasePassword@", password);
  return {
    "slurm.conf":
      // Both nodes share the addresses of one kernel.
      slurmConf.replace(replaced, "").replace(/^NodeName=.*$/m, "$& Port=[6828-6829]") +
      "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/none\n" +
      "SlurmdSpoolDir=/var/lib/slurm/slurmd-%n\nSlurmdParameters=config_overrides\n",
    "cgroup.conf": "CgroupPlugin=disabled\n",
    "old.jwks": first.slurmJwks,
    ...Object.fromEntries(sets.map((set, index) => [`${index + 1}.jwks`, set])),
    "password-1.sql": accountSql(first.databasePassword),
    "password-2.sql": accountSql(second.databasePassword),
    "password-1.slurmdbd": dbd(first.databasePassword),
    "password-2.slurmdbd": dbd(second.databasePassword),
    "old.cnf": `[client]\nuser=slurm\npassword=${first.databasePassword}\nsocket=/run/mysqld/mysqld.sock\n`,
  };
}

function rotate(): { lines: Map<string, string>; output: string } {
  const plan = planned(
    config({ nodes: "compute_nodes: { count: 2, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }" }),
  );
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-keys-"));
  try {
    for (const [name, content] of Object.entries(files())) writeFileSync(join(folder, name), content);
    const script = fileURLToPath(new URL("../support/slurm-keys.sh", import.meta.url));
    const machines = [plan.controller, ...plan.computeNodes].flatMap(({ name, address }) => [name, address]);
    const result = spawnSync(
      "unshare",
      [...scriptInNamespaces(script), ...[slurmTree(), folder, ...machines]],
      { encoding: "utf8", timeout: 500_000, maxBuffer: 64 * 1024 * 1024 },
    );
    const output = `${result.stdout}${result.stderr}`;
    if (result.status !== 0)
      throw new Error(`${script} failed (${result.error?.message ?? result.status}):\n${output}`);
    const lines = [...result.stdout.matchAll(/^== (\S+) (.*)$/gm)];
    return { lines: new Map(lines.map(([, name = "", text = ""]) => [name, text])), output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("Debian's SLURM through a rotation of its keys", () => {
  let rotated: ReturnType<typeof rotate>;
  beforeAll(() => {
    slurmTree();
    rotated = rotate();
  }, 900_000);
  const line = (name: string) => rotated.lines.get(name);

  it.each(["before", "1-controller", "1-nodes", "2-controller", "2-nodes"])(
    "every machine is served at: %s, the one with nothing but the old key too",
    (moment) => {
      expect(line(moment), rotated.output).toBe("controller=yes accounting=yes updated=yes old=yes job=yes");
    },
  );

  it.each(["3-controller", "3-nodes"])(
    "at the end (%s) the old key is refused, and all others serve",
    (moment) => {
      expect(line(moment), rotated.output).toBe("controller=yes accounting=yes updated=yes old=no job=yes");
      expect(Number(line("refused"))).toBeGreaterThan(0);
    },
  );

  it("a job that began before runs through and is accounted for", () => {
    expect(line("long")).toBe("COMPLETED|0:0|0 2 through");
  });

  it("a node that missed everything serves when it gets the key of now before slurmd starts", () => {
    expect(line("returned")).toBe("yes yes");
  });

  it("the database's password changes while the job runs, and again after an interrupt in between", () => {
    expect(line("password")).toMatch(/^controller=yes accounting=yes updated=yes .*job=yes$/);
    expect(line("old-password")).toBe("no");
  });
});
