import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadLabFile, printProblems } from "../../../config/index.ts";
import { brief, labText, loaded, refused } from "./lab-text.ts";

describe("a good file", () => {
  it("becomes the canonical configuration with every default", () => {
    const { config, notes } = loaded(labText());
    expect(notes).toEqual([]);
    expect(config).toMatchObject({
      name: "test",
      hpc: {
        name: "lab",
        host: { uri: "qemu:///system" },
        hypervisor: "auto",
        image: { source: { kind: "golden" }, packages: [], files: [], revision: 1 },
        network: { mode: "nat", attach: { bridge: "hlab-test0" }, dnsMode: "isolated" },
        home: { kind: "controller" },
        stateDiskGb: 20,
        protectState: true,
        drain: { waitMinutes: 60, byDefault: true },
        rollout: { maxUnavailable: 1, readyMinutes: undefined },
        acceleration: { enableKvm: true, enableNested: false, cpuModel: "host-passthrough" },
      },
    });
    expect(config.hpc).not.toHaveProperty("users");
  });

  it("gives the same configuration for the list of nodes and the group", () => {
    const group = loaded(labText()).config.hpc?.computeNodes.nodes;
    const node = "  - { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }";
    const list = loaded(labText({ nodes: `compute_nodes:\n${node}\n${node}` })).config.hpc?.computeNodes
      .nodes;
    expect(list).toEqual(group);
  });

  it("leaves holes in a group where except says so", () => {
    const nodes =
      "compute_nodes: { count: 4, except: [3], cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP }";
    expect(loaded(labText({ nodes })).config.hpc?.computeNodes.nodes.map((node) => node.number)).toEqual([
      1, 2, 4,
    ]);
  });

  it("knows where each value stands", () => {
    const file = loaded(labText());
    expect(file.locate("clusters.hpc.network.bridge")).toEqual({ line: 8, column: 15 });
    expect(file.locate("clusters.hpc.compute_nodes.count")).toEqual({ line: 10, column: 29 });
    // What is absent stands where its parent stands.
    expect(file.locate("clusters.hpc.users[3].name")).toEqual({ line: 5, column: 5 });
  });

  it("takes a doubled dollar sign as one", () => {
    const hpc =
      'image: { files: [{ path: /usr/local/bin/hi, content: "echo $$HOME costs $$5", mode: "0755" }] }';
    expect(loaded(labText({ hpc })).config.hpc?.image.files[0]?.content).toBe("echo $HOME costs $5");
  });

  it.each(readdirSync("examples"))("examples/%s is accepted without a note", (name) => {
    const result = loadLabFile(readFileSync(`examples/${name}`, "utf8"), name);
    expect(result).toMatchObject({ ok: true, notes: [] });
  });
});

describe("older forms", () => {
  it("are rewritten, each with one note at its place", () => {
    const text = labText({ network: "extra_key: 3" })
      .replace("subnet:", "network_range:")
      .replace("bridge:", "bridge_name:")
      .replace("ip_address:", "ip:");
    const file = loaded(text);
    expect(file.config).toEqual(loaded(labText()).config);
    expect(file.notes.map(({ line, path }) => `${line} ${path}`)).toEqual([
      "7 clusters.hpc.network.network_range",
      "8 clusters.hpc.network.bridge_name",
      "9 clusters.hpc.network.extra_key",
      "10 clusters.hpc.controller.ip",
    ]);
    expect(file.notes[2]?.text).toContain("not applied");
    expect(file.locate("clusters.hpc.network.subnet")).toEqual({ line: 7, column: 22 });
  });

  it("accept a list with one cluster and give the same configuration", () => {
    const lines = labText().split("\n");
    const list = lines
      .map((line, index) =>
        index < 4 || line === "" ? line : index === 4 ? `    - ${line.trim()}` : `  ${line}`,
      )
      .join("\n");
    const file = loaded(list);
    expect(file.config).toEqual(loaded(labText()).config);
    expect(file.notes).toHaveLength(1);
    expect(file.locate("clusters.hpc.network.bridge").line).toBe(8);
  });

  it("of which nobody knows the key are refused in strict mode", () => {
    const result = loadLabFile(labText({ network: "dns_servrs: [10.50.0.1]" }), "lab.yaml", { strict: true });
    expect(result.ok ? [] : result.problems).toMatchObject([
      {
        line: 9,
        path: "clusters.hpc.network.dns_servrs",
        reason: "is not a key of network and is not applied; did you mean dns_servers?",
      },
    ]);
  });

  it("are refused where they contradict the canonical key", () => {
    const result = refused(
      labText().replace("ip_address: 10.50.0.2", "ip_address: 10.50.0.2, ip: 10.50.0.3"),
    );
    expect(brief(result)).toEqual([
      '9:87 clusters.hpc.controller.ip: contradicts ip_address, which says "10.50.0.2"; keep one of the two',
    ]);
  });

  it("are accepted twice where they agree", () => {
    const text = labText().replace("ip_address: 10.50.0.2", "ip_address: 10.50.0.2, ip: 10.50.0.2");
    expect(loaded(text).notes).toHaveLength(1);
  });
});

describe("what is not there yet", () => {
  it.each([
    ["clusters.cloud", labText().replace("clusters:\n", "clusters:\n  cloud: {}\n")],
    ["clusters.hpc.storage", labText({ hpc: "storage: { beegfs: { enabled: true } }" })],
    [
      "clusters.hpc.controller.virtio_fs_mounts",
      labText().replace("ip_address", "virtio_fs_mounts: [], ip_address"),
    ],
    [
      "clusters.hpc.compute_nodes.pcie_passthrough",
      labText().replace("count: 2", "count: 2, pcie_passthrough: {}"),
    ],
    ["clusters.hpc.compute_nodes.gpu_config", labText().replace("count: 2", "count: 2, gpu_config: {}")],
    ["clusters.hpc.network.dns_mode", labText({ network: "dns_mode: shared_dns" })],
    ["clusters.hpc.network.bridge", labText().replace("hlab-test0", "$" + "{BRIDGE}")],
    ["clusters.hpc.name", labText().replace("name: lab", "name: $LAB")],
  ])("%s says so", (path, text) => {
    const result = refused(text);
    expect(result.problems.map((problem) => problem.path)).toEqual([path]);
    expect(result.problems[0]?.reason).toContain("not available yet in this version");
  });

  it("more than one cluster says so", () => {
    const text =
      'version: "1.0"\nmetadata: { name: a, description: b }\nclusters:\n  hpc: [{ name: a }, { name: b }]\n';
    expect(brief(refused(text))).toEqual([
      "4:8 clusters.hpc: has 2 entries; more than one SLURM cluster in a file is not available yet in this version",
    ]);
  });
});

describe("a bad file", () => {
  it("shows all problems at once, in order, with place, reason, allowed values and the nearest word", () => {
    const text = `version: 1.0
metadata: { name: x }
globl: 3
global: { a: 1 }
clusters:
  hpc:
    name: Lab
    hypervisor: kmv
    network: { subnet: 10.0.0.300/24, bridge: averyveryverylongname }
    controller: { cpu_cores: two, memory_gb: 0, disk_gb: 5, ip_address: DHCP }
    compute_nodes:
      - { cpu_core: 2, memory_gb: 1.5, disk_gb: 20, ip: DHCP }
      - 3
    slurm_config: { partitions: [], default_partition: all, max_job_time: 60 }
`;
    expect(printProblems("lab.yaml", refused(text).problems)).toMatchInlineSnapshot(`
      "lab.yaml: 19 problems in the configuration
        lab.yaml:1:10  version: is the number 1; put it in quotes: "1.0"
        lab.yaml:2:11  metadata.description: is missing; add it, for example description: "Development cluster"
        lab.yaml:3:1  globl: unknown key
            allowed: version, metadata, global, clusters
            did you mean global?
        lab.yaml:4:11  global.a: nothing is defined for global yet; leave it empty or remove it
        lab.yaml:7:11  clusters.hpc.name: is "Lab"; expected 1 to 40 lower-case letters, digits and inner hyphens, such as lab
        lab.yaml:8:17  clusters.hpc.hypervisor: is "kmv"
            allowed: auto, kvm, qemu
            did you mean kvm?
        lab.yaml:9:24  clusters.hpc.network.subnet: is "10.0.0.300/24"; expected an IPv4 network such as 10.50.0.0/24 (octets 0 to 255, prefix 0 to 32)
        lab.yaml:9:47  clusters.hpc.network.bridge: is "averyveryverylongname"; expected a name of at most 15 characters, such as hlab-dev0
        lab.yaml:10:30  clusters.hpc.controller.cpu_cores: is "two"; expected a whole number
        lab.yaml:10:46  clusters.hpc.controller.memory_gb: is 0; expected at least 1
        lab.yaml:10:58  clusters.hpc.controller.disk_gb: is 5; expected at least 10
        lab.yaml:10:73  clusters.hpc.controller.ip_address: is "DHCP"; expected an IPv4 address such as 10.50.0.10
        lab.yaml:12:9  clusters.hpc.compute_nodes[0].cpu_cores: is missing; add it, for example cpu_cores: 2
        lab.yaml:12:11  clusters.hpc.compute_nodes[0].cpu_core: unknown key
            allowed: cpu_cores, memory_gb, disk_gb, base_image_path, ip, auto_start
            did you mean cpu_cores?
        lab.yaml:12:35  clusters.hpc.compute_nodes[0].memory_gb: is 1.5; expected a whole number
        lab.yaml:13:9  clusters.hpc.compute_nodes[1]: is 3; expected a map
        lab.yaml:14:33  clusters.hpc.slurm_config.partitions: has 0 entries; expected at least 1 entry
        lab.yaml:14:56  clusters.hpc.slurm_config.default_partition: is "all"; expected letters, digits, _ and -, not DEFAULT or ALL, such as main
        lab.yaml:14:75  clusters.hpc.slurm_config.max_job_time: is 60; expected text; put it in quotes: "60"
      "
    `);
  });

  it("is printed in colour only when asked", () => {
    const { problems } = refused("version: 1\n");
    const control = String.fromCharCode(27);
    expect(printProblems("f", problems)).not.toContain(control);
    expect(printProblems("f", problems, { colour: true })).toContain(control);
  });

  it.each([
    ["the cluster's image is given more than once", "base_image_path: /a.qcow2\nimage: { path: /b.qcow2 }"],
    ["needs sha256 beside it", "image: { url: https://example.org/x.qcow2 }"],
    ["needs url or path beside it", `image: { sha256: "${"a".repeat(64)}" }`],
    ["is given together with kind", "home: { kind: controller, nfs: host:/x }"],
  ])("says: %s", (reason, hpc) => {
    expect(
      refused(labText({ hpc }))
        .problems.map((problem) => problem.reason)
        .join(),
    ).toContain(reason);
  });

  it.each([
    ["only mode existing uses a network of the site", "libvirt_network: default"],
    ["is given together with bridge", "mode: existing\nlibvirt_network: default"],
  ])("says of the network: %s", (reason, network) => {
    expect(
      refused(labText({ network }))
        .problems.map((problem) => problem.reason)
        .join(),
    ).toContain(reason);
  });

  it("says that a bridge is missing", () => {
    const text = labText().replace("      bridge: hlab-test0\n", "");
    expect(brief(refused(text))).toEqual([
      '7:7 clusters.hpc.network.bridge: is missing; add it, for example bridge: "hlab-dev0"',
    ]);
  });

  it.each([
    ["except: [3]", "is 3, but count is 2; remove it"],
    ["except: [1, 1]", "1 is listed twice; remove it"],
    ["except: [1, 2]", "leaves no compute node; expected at least one"],
  ])("refuses %s in a group of two", (except, reason) => {
    const result = refused(labText().replace("count: 2", `count: 2, ${except}`));
    expect(result.problems.map((problem) => problem.reason)).toEqual([reason]);
  });
});
