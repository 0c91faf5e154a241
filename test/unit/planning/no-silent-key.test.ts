import { describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { loadLabFile } from "../../../config/index.ts";
import { documentedSchema, type SchemaNode } from "../../../config/json-schema.ts";
import { controllerDocument, imageRequests, planLab } from "../../../planning/index.ts";
import { goodFacts } from "./lab.ts";

/** A file in which every key can show its effect. Values differ from the ones that the cases put in. */
const node = { cpu_cores: 4, memory_gb: 4, disk_gb: 20, ip: "DHCP" };
const base = {
  version: "1.0",
  metadata: { name: "test", description: "For tests" },
  clusters: {
    hpc: {
      name: "lab",
      network: { subnet: "10.50.0.0/24", bridge: "hlab-test0" },
      controller: { cpu_cores: 4, memory_gb: 4, disk_gb: 20, ip_address: "10.50.0.2" },
      compute_nodes: [node, node],
      slurm_config: { partitions: ["main", "long"], default_partition: "main" },
    },
  },
};

interface Case {
  /** The changed value. */
  to: unknown;
  /** Other values that the key needs beside it, by path; they hold before and after the change. */
  with?: Record<string, unknown>;
}

const ANY_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtleQ== ada@example";
const USER = { name: "ada", ssh_keys: [ANY_KEY] };
const PEER = { subnet: "10.60.0.0/24", services: ["jobs"] };
const LAN = { lan: { bridge: "br1", address: "192.168.1.50/24", gateway: "192.168.1.1" } };
const FORWARD = { forward: { port: 2222, listen: "192.0.2.10", host: "login.example.org" } };
const CLOUD_IMAGE = { path: "/srv/image.qcow2" };
const GROUP = { ...node, count: 3 };
const hardware = "clusters.hpc.hardware.acceleration";
const existing = {
  "clusters.hpc.network": { mode: "existing", bridge: "br0", subnet: "10.50.0.0/24" },
  "clusters.hpc.compute_nodes": [{ ...node, ip: "10.50.0.9" }],
};

/** One case for every leaf of the schema. `users[]` stands for the first entry, `compute_nodes` for the group. */
const CASES: Record<string, Case> = {
  version: { to: "1.1" },
  global: { to: { a: 1 } },
  "metadata.name": { to: "other" },
  "metadata.description": { to: "Something else" },
  "clusters.hpc.name": { to: "lab2" },
  "clusters.hpc.host.uri": { to: "qemu+ssh://root@far.example.org/system" },
  "clusters.hpc.host.pool_path": { to: "/srv/pool" },
  "clusters.hpc.hypervisor": { to: "qemu" },
  "clusters.hpc.base_image_path": { to: "/srv/base.qcow2" },
  "clusters.hpc.image.packages": { to: ["zsh"] },
  "clusters.hpc.image.files[].path": {
    to: "/etc/b",
    with: { "clusters.hpc.image.files": [{ path: "/etc/a", content: "a" }] },
  },
  "clusters.hpc.image.files[].content": {
    to: "b",
    with: { "clusters.hpc.image.files": [{ path: "/etc/a", content: "a" }] },
  },
  "clusters.hpc.image.files[].mode": {
    to: "0600",
    with: { "clusters.hpc.image.files": [{ path: "/etc/a", content: "a" }] },
  },
  "clusters.hpc.image.revision": { to: 2 },
  "clusters.hpc.image.snapshot": { to: "2026-11-01" },
  "clusters.hpc.image.path": { to: "/srv/other.qcow2", with: { "clusters.hpc.image": CLOUD_IMAGE } },
  "clusters.hpc.image.url": {
    to: "https://example.org/x.qcow2",
    with: { "clusters.hpc.image": { sha256: "a".repeat(64) } },
  },
  "clusters.hpc.image.sha256": { to: "b".repeat(64), with: { "clusters.hpc.image": CLOUD_IMAGE } },
  "clusters.hpc.network.mode": { to: "routed" },
  "clusters.hpc.network.subnet": { to: "10.50.0.0/23" },
  "clusters.hpc.network.bridge": { to: "hlab-test1" },
  "clusters.hpc.network.libvirt_network": {
    to: "site",
    with: {
      "clusters.hpc.network": { mode: "existing", libvirt_network: "default", subnet: "10.50.0.0/24" },
      "clusters.hpc.compute_nodes": [{ ...node, ip: "10.50.0.9" }],
    },
  },
  "clusters.hpc.network.gateway_ip": { to: "10.50.0.254" },
  "clusters.hpc.network.dhcp_start": { to: "10.50.0.100" },
  "clusters.hpc.network.dhcp_end": { to: "10.50.0.200" },
  "clusters.hpc.network.dns_servers": { to: ["10.9.9.9"] },
  "clusters.hpc.network.dns_mode": { to: "shared_dns" },
  "clusters.hpc.network.egress": { to: "none" },
  "clusters.hpc.network.peers[].subnet": {
    to: "10.61.0.0/24",
    with: { "clusters.hpc.network.mode": "routed", "clusters.hpc.network.peers": [PEER] },
  },
  "clusters.hpc.network.peers[].services": {
    to: ["ssh"],
    with: { "clusters.hpc.network.mode": "routed", "clusters.hpc.network.peers": [PEER] },
  },
  "clusters.hpc.network.static_leases": { to: { "compute-01": "10.50.0.99" } },
  "clusters.hpc.network.vm_macs": { to: { "compute-01": "02:00:00:00:00:01" } },
  "clusters.hpc.access.lan.bridge": { to: "br2", with: { "clusters.hpc.access": LAN } },
  "clusters.hpc.access.lan.address": { to: "192.168.1.51/24", with: { "clusters.hpc.access": LAN } },
  "clusters.hpc.access.lan.gateway": { to: "192.168.1.254", with: { "clusters.hpc.access": LAN } },
  "clusters.hpc.access.forward.port": { to: 2200, with: { "clusters.hpc.access": FORWARD } },
  "clusters.hpc.access.forward.listen": { to: "192.0.2.11", with: { "clusters.hpc.access": FORWARD } },
  "clusters.hpc.access.forward.host": { to: "other.example.org", with: { "clusters.hpc.access": FORWARD } },
  "clusters.hpc.controller.cpu_cores": { to: 6 },
  "clusters.hpc.controller.memory_gb": { to: 6 },
  "clusters.hpc.controller.disk_gb": { to: 30 },
  "clusters.hpc.controller.base_image_path": { to: "/srv/own.qcow2" },
  "clusters.hpc.controller.ip_address": { to: "10.50.0.3" },
  "clusters.hpc.compute_nodes[].cpu_cores": { to: 6 },
  "clusters.hpc.compute_nodes[].memory_gb": { to: 6 },
  "clusters.hpc.compute_nodes[].disk_gb": { to: 30 },
  "clusters.hpc.compute_nodes[].base_image_path": { to: "/srv/own.qcow2" },
  "clusters.hpc.compute_nodes[].ip": { to: "10.50.0.77" },
  "clusters.hpc.compute_nodes[].auto_start": { to: false },
  "clusters.hpc.compute_nodes.cpu_cores": { to: 6, with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.compute_nodes.memory_gb": { to: 6, with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.compute_nodes.disk_gb": { to: 30, with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.compute_nodes.base_image_path": {
    to: "/srv/own.qcow2",
    with: { "clusters.hpc.compute_nodes": GROUP },
  },
  "clusters.hpc.compute_nodes.count": { to: 4, with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.compute_nodes.except": { to: [2], with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.compute_nodes.ip": { to: "10.50.0.77", with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.compute_nodes.auto_start": { to: false, with: { "clusters.hpc.compute_nodes": GROUP } },
  "clusters.hpc.slurm_config.partitions": { to: ["main", "short"] },
  "clusters.hpc.slurm_config.default_partition": { to: "long" },
  "clusters.hpc.slurm_config.max_job_time": { to: "1:00:00" },
  "clusters.hpc.users[].name": { to: "bob", with: { "clusters.hpc.users": [USER] } },
  "clusters.hpc.users[].uid": { to: 2345, with: { "clusters.hpc.users": [USER] } },
  "clusters.hpc.users[].groups": { to: ["chem"], with: { "clusters.hpc.users": [USER] } },
  "clusters.hpc.users[].ssh_keys": { to: [], with: { "clusters.hpc.users": [USER] } },
  "clusters.hpc.users[].admin": { to: true, with: { "clusters.hpc.users": [USER] } },
  "clusters.hpc.home.kind": { to: "controller", with: { "clusters.hpc.home": { nfs: "filer:/home" } } },
  "clusters.hpc.home.nfs": { to: "filer:/home" },
  "clusters.hpc.state_disk_gb": { to: 33 },
  "clusters.hpc.protect_state": { to: false },
  "clusters.hpc.drain.wait_minutes": { to: 5 },
  "clusters.hpc.drain.then": { to: "kill" },
  "clusters.hpc.rollout.max_unavailable": { to: 2 },
  "clusters.hpc.rollout.ready_minutes": { to: 3 },
  [`${hardware}.enable_kvm`]: { to: false },
  [`${hardware}.enable_nested`]: { to: true },
  [`${hardware}.cpu_model`]: { to: "qemu64" },
  [`${hardware}.cpu_features`]: { to: ["avx2"] },
  [`${hardware}.numa_topology.nodes`]: {
    to: 4,
    with: { [`${hardware}.numa_topology`]: { nodes: 2, memory_per_node: 2048 } },
  },
  [`${hardware}.numa_topology.memory_per_node`]: {
    to: 1024,
    with: { [`${hardware}.numa_topology`]: { nodes: 2, memory_per_node: 2048 } },
  },
  [`${hardware}.cpu_topology.sockets`]: {
    to: 2,
    with: { [`${hardware}.cpu_topology`]: { sockets: 1, cores: 4, threads: 1 } },
  },
  [`${hardware}.cpu_topology.cores`]: {
    to: 2,
    with: { [`${hardware}.cpu_topology`]: { sockets: 1, cores: 4, threads: 1 } },
  },
  [`${hardware}.cpu_topology.threads`]: {
    to: 2,
    with: { [`${hardware}.cpu_topology`]: { sockets: 1, cores: 4, threads: 1 } },
  },
  [`${hardware}.performance.enable_hugepages`]: { to: true },
  [`${hardware}.performance.hugepage_size`]: { to: "1G" },
  [`${hardware}.performance.cpu_pinning`]: { to: true },
  [`${hardware}.performance.memory_backing`]: { to: "memfd" },
};

/** Every key of the schema that holds a value and no map of further keys. */
function leaves(schema: SchemaNode, path = ""): string[] {
  if (schema.anyOf !== undefined) {
    const forms = schema.anyOf.filter(
      (form) => form.type !== "null" && Object.keys(form.properties ?? {}).length + (form.items ? 1 : 0) > 0,
    );
    if (forms.length > 0) return forms.flatMap((form) => leaves(form, path));
    return [path];
  }
  if (schema.items?.properties !== undefined) return leaves(schema.items, `${path}[]`);
  if (schema.properties === undefined || Object.keys(schema.properties).length === 0) return [path];
  return Object.entries(schema.properties).flatMap(([name, child]) =>
    leaves(child, path === "" ? name : `${path}.${name}`),
  );
}

type Tree = Record<string, unknown>;

function put(tree: unknown, path: readonly string[], value: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return value;
  if (Array.isArray(tree)) return tree.map((item, index) => (index === 0 ? put(item, path, value) : item));
  const map: Tree = typeof tree === "object" && tree !== null ? { ...tree } : {};
  map[first] = put(map[first], rest, value);
  return map;
}

const parts = (path: string): string[] => path.replaceAll("[]", "").split(".");

/** Everything that can come of a file: problems, or what is asked of the image builder, plan, findings, documents. */
function outcome(file: unknown): string {
  const loaded = loadLabFile(stringify(file), "lab.yaml");
  if (!loaded.ok) return JSON.stringify(loaded.problems.map(({ path, reason }) => [path, reason]));
  const { config } = loaded;
  const { plan, findings } = planLab(config, goodFacts(config));
  const document =
    plan.hpc === undefined ? undefined : controllerDocument(plan.hpc, (name) => `key of ${name}`);
  return JSON.stringify({ images: imageRequests(config), plan, findings, document });
}

describe("no key is silent", () => {
  it("has a case for every leaf of the schema, and none beside", () => {
    expect(Object.keys(CASES).sort()).toEqual(leaves(documentedSchema()).sort());
  });

  it.each(Object.entries(CASES))("%s", (path, { to, with: beside = {} }) => {
    const before = Object.entries(beside).reduce<unknown>(
      (file, [key, value]) => put(file, parts(key), value),
      base,
    );
    const after = put(before, parts(path), to);
    expect(after).not.toEqual(before);
    expect(outcome(after)).not.toBe(outcome(before));
  });

  it("the file that the cases begin with is good", () => {
    expect(outcome(base)).toContain('"findings":[]');
    expect(
      outcome(
        Object.entries(existing).reduce<unknown>((file, [key, value]) => put(file, parts(key), value), base),
      ),
    ).toContain("bridge-missing");
  });

  it.each([
    ["clusters.hpc.slurm_config.KillWait", 99],
    ["clusters.hpc.slurm_config.Colour", "blue"],
    ["clusters.hpc.network.colour", "blue"],
  ])("further key %s changes the plan or is reported", (path, value) => {
    const file = put(base, parts(path), value);
    const loaded = loadLabFile(stringify(file), "lab.yaml");
    const noted = loaded.ok && loaded.notes.some((note) => note.path === path);
    expect(noted || outcome(file) !== outcome(base)).toBe(true);
  });
});
