import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadLabFile } from "../../../config/index.ts";
import { renderSeed, type SeedKeys } from "../../../planning/cloud-init/index.ts";
import { GUEST_SERIAL } from "../../../planning/domains.ts";
import { controllerDocument, type HpcClusterPlan, hasErrors, planLab } from "../../../planning/index.ts";
import { config, emptyHost, goodFacts, planned } from "./lab.ts";

const keys: SeedKeys = { loginPublicKey: "ssh-ed25519 LOGIN", clusterPublicKey: "ssh-ed25519 CLUSTER" };
const known = <T>(value: T) => ({ known: true, value }) as const;

function example(name: string) {
  const file = loadLabFile(readFileSync(`examples/${name}`, "utf8"), name);
  if (!file.ok) throw new Error(`${name} is refused`);
  const interfaces = known(name === "existing-bridge.yaml" ? [{ name: "br0", owned: false }] : []);
  return planLab(file.config, goodFacts(file.config, { ...emptyHost, interfaces }));
}

function examplePlan(name: string): HpcClusterPlan {
  const { plan } = example(name);
  if (plan.hpc === undefined) throw new Error(`${name} has no cluster`);
  return plan.hpc;
}

describe.each(readdirSync("examples"))("examples/%s", (name) => {
  const folder = `fixtures/${name.replace(".yaml", "")}`;

  it("is planned without a finding", () => {
    const { findings } = example(name);
    expect(findings).toEqual([]);
    expect(hasErrors(findings)).toBe(false);
  });

  it("gives the plan and the texts of its golden files", async () => {
    const plan = examplePlan(name);
    const document = controllerDocument(plan, (machine) => `ssh-ed25519 KEY-OF-${machine}`);
    const { slurmConf, cgroupConf, slurmdbdConf, hosts, ...rest } = document;
    await expect(`${JSON.stringify(plan, null, 2)}\n`).toMatchFileSnapshot(`${folder}/plan.json`);
    await expect(slurmConf).toMatchFileSnapshot(`${folder}/slurm.conf`);
    await expect(cgroupConf).toMatchFileSnapshot(`${folder}/cgroup.conf`);
    await expect(slurmdbdConf).toMatchFileSnapshot(`${folder}/slurmdbd.conf`);
    await expect(hosts).toMatchFileSnapshot(`${folder}/hosts`);
    await expect(`${JSON.stringify(rest, null, 2)}\n`).toMatchFileSnapshot(
      `${folder}/controller-document.json`,
    );
    for (const seed of plan.seeds) {
      const content = renderSeed(plan, seed, keys);
      const text = `${content.userData}--- network-config\n${content.networkConfig ?? ""}`;
      await expect(text).toMatchFileSnapshot(`${folder}/${seed.name}.txt`);
    }
  });
});

describe("the controller document", () => {
  it("has exactly the fields of the guest contract", () => {
    const document = controllerDocument(planned(config()), () => "k");
    const contract = readFileSync("docs/guest-contract.md", "utf8");
    const block = /```json\n(.*?)```/s.exec(contract)?.[1] ?? "";
    const fields = [...block.matchAll(/"(\w+)":/g)].map((match) => match[1]);
    for (const field of Object.keys(document)) expect(fields).toContain(field);
    for (const field of block.matchAll(/^ {2}"(\w+)":/gm)) expect(document).toHaveProperty(field[1] ?? "");
    for (const field of block.matchAll(/, "(\w+Conf)":/g)) expect(document).toHaveProperty(field[1] ?? "");
  });

  it("holds no secret, only the slot of the database's password", () => {
    const plan = planned(config());
    const document = controllerDocument(plan, () => "k");
    expect(document.slurmdbdConf).toContain("\nStoragePass=@databasePassword@\n");
    expect(plan.secrets.map((slot) => slot.name).sort()).toEqual([
      "clusterSshKey",
      "databasePassword",
      "identitySecret",
      "loginSshKey",
      "slurmJwks",
    ]);
    expect(JSON.stringify([plan, document])).not.toMatch(/PRIVATE KEY|"k":|StoragePass=(?!@)/);
  });
});

describe("a seed", () => {
  it("is cloud-config that YAML reads, the same at every call", () => {
    const plan = planned(config());
    for (const seed of plan.seeds) {
      const first = renderSeed(plan, seed, keys);
      expect(renderSeed(plan, seed, keys)).toEqual(first);
      expect(first.userData.startsWith("#cloud-config\n")).toBe(true);
      const document: unknown = parse(first.userData);
      expect(document).toMatchObject({
        users: [{ name: "hyperlab", ssh_authorized_keys: ["ssh-ed25519 LOGIN"] }],
      });
      expect(first.metaData).toBe("{}\n");
      expect(JSON.parse(seedFile(first.userData, "/etc/hyperlab/seed.json"))).toEqual({
        format: 1,
        cluster: "lab",
        role: seed.role,
        controller: { name: "lab-controller", address: "10.50.0.2" },
        subnet: "10.50.0.0/24",
        loginPublicKey: "ssh-ed25519 LOGIN",
        clusterPublicKey: "ssh-ed25519 CLUSTER",
      });
      expect(seedFile(first.userData, "/etc/hyperlab/role")).toBe(`${seed.role}\n`);
    }
  });

  it("serves a role: nothing in it names a compute node", () => {
    const plan = planned(config());
    const compute = plan.seeds.find((seed) => seed.role === "compute");
    if (compute === undefined) throw new Error("no seed");
    expect(renderSeed(plan, compute, keys).userData).not.toContain("compute-0");
  });

  it("does not change when nodes, users or partitions do", () => {
    const one = planned(config());
    const other = planned(
      config({ nodes: "compute_nodes: { count: 9, cpu_cores: 8, memory_gb: 8, disk_gb: 10, ip: DHCP }" }),
    );
    expect(other.seeds.map((seed) => renderSeed(other, seed, keys))).toEqual(
      one.seeds.map((seed) => renderSeed(one, seed, keys)),
    );
  });

  it("has a cloud image take the guest software from its disk, and brings packages and files of the cluster file", () => {
    const lab = config({
      hpc: "image: { path: /srv/x.qcow2, packages: [zsh, ant], files: [{ path: /etc/motd, content: hi }] }",
    });
    const plan = planned(lab);
    for (const seed of plan.seeds) {
      const { userData } = renderSeed(plan, seed, keys);
      expect(parse(userData)).toMatchObject({
        bootcmd: [
          ["cloud-init-per", "instance", "hyperlab", "sh", "-c", expect.stringContaining(GUEST_SERIAL)],
        ],
        runcmd: [["systemctl", "enable", "--now", "--no-block", "hyperlab-bootstrap.service"]],
        users: [{ name: "hyperlab", ssh_authorized_keys: ["ssh-ed25519 LOGIN"] }],
        ssh_keys: {},
      });
      expect(seedFile(userData, "/etc/motd")).toBe("hi");
      expect(seedFile(userData, "/etc/hyperlab/packages")).toBe("ant\nzsh\n");
      // The software itself is on its disk, once for all machines.
      expect(userData.length).toBeLessThan(4096);
    }
  });

  it("of the golden image is untouched by all that", () => {
    const plan = planned(config());
    for (const seed of plan.seeds) {
      expect(Object.keys(parse(renderSeed(plan, seed, keys).userData))).toEqual(["users", "write_files"]);
    }
  });
});

/** Content of a file that the seed writes. */
function seedFile(userData: string, path: string): string {
  const document: unknown = parse(userData);
  if (typeof document !== "object" || document === null || !("write_files" in document)) return "";
  const files: unknown = document.write_files;
  if (!Array.isArray(files)) return "";
  const file: unknown = files.find(
    (entry: unknown) => typeof entry === "object" && entry !== null && "path" in entry && entry.path === path,
  );
  return typeof file === "object" && file !== null && "content" in file ? String(file.content) : "";
}
