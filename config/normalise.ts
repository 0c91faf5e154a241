import type {
  AccelerationConfig,
  AccessConfig,
  ComputeNodeConfig,
  ComputeNodesConfig,
  DrainConfig,
  HpcConfig,
  ImageConfig,
  ImageSource,
  LabConfig,
  NetworkConfig,
  NodeSizeConfig,
  UserConfig,
} from "./model.ts";
import type { Path } from "./problems.ts";
import type { HpcFile, LabFile } from "./schema/lab.ts";

/** Takes a problem of the file. */
export type Report = (path: Path, reason: string) => void;

/** Like T without the properties that are undefined, as `exactOptionalPropertyTypes` wants it. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function present<T extends object>(value: T): Present<T>;
function present(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined));
}

/** The file, which fits the schema, as the canonical model. Reports what one key alone cannot show to be wrong. */
export function normalise(file: LabFile, report: Report): LabConfig {
  return {
    name: file.metadata.name,
    description: file.metadata.description,
    hpc: hpcConfig(file.clusters.hpc, (path, reason) => report(["clusters", "hpc", ...path], reason)),
  };
}

function hpcConfig(file: HpcFile, report: Report): HpcConfig {
  return present({
    name: file.name,
    host: present({ uri: file.host.uri, poolPath: file.host.pool_path }),
    hypervisor: file.hypervisor,
    image: imageConfig(file, report),
    network: networkConfig(file.network, report),
    access: accessConfig(file.access, report),
    controller: { ...size(file.controller), ipAddress: file.controller.ip_address },
    computeNodes: computeNodes(file.compute_nodes, report),
    slurm: slurmConfig(file.slurm_config),
    users: file.users?.map(userConfig),
    home: homeConfig(file.home, report),
    stateDiskGb: file.state_disk_gb,
    protectState: file.protect_state,
    drain: drainConfig(file.drain, report),
    rollout: {
      maxUnavailable: file.rollout.max_unavailable,
      readyMinutes: file.rollout.ready_minutes,
    },
    acceleration: accelerationConfig(file.hardware.acceleration),
  });
}

function drainConfig(file: HpcFile["drain"], report: Report): DrainConfig {
  const { then: end, wait_minutes: minutes } = file;
  if (end === "wait" && minutes !== undefined) {
    report(["drain", "wait_minutes"], "is given together with then: wait, which has no time limit; keep one");
  }
  return present({
    waitMinutes: minutes ?? 60,
    onTimeout: end === "fail" ? undefined : end,
    byDefault: minutes === undefined && end !== "wait" ? true : undefined,
  });
}

function imageConfig(file: HpcFile, report: Report): ImageConfig {
  const { packages, files, revision, snapshot } = file.image;
  const source = imageSource(file, report);
  if (snapshot !== undefined && source.kind !== "golden") {
    report(
      ["image", "snapshot"],
      "is for the image that hyperlab builds; name the archive of an image of your own in image.files",
    );
  }
  return present({ source, packages, files, revision, snapshot: momentOf(snapshot) });
}

/** A date means its first moment; the form is that of snapshot.debian.org. */
function momentOf(snapshot: string | undefined): string | undefined {
  const plain = snapshot?.replaceAll("-", "");
  return plain?.length === 8 ? `${plain}T000000Z` : plain;
}

function imageSource(file: HpcFile, report: Report): ImageSource {
  const { path, url, sha256 } = file.image;
  const given = [
    { key: ["base_image_path"], value: file.base_image_path },
    { key: ["image", "path"], value: path },
    { key: ["image", "url"], value: url },
  ].filter((entry) => entry.value !== undefined);
  const second = given[1];
  if (second !== undefined) {
    const names = given.map((entry) => entry.key.join(".")).join(", ");
    report(second.key, `the cluster's image is given more than once (${names}); keep one`);
  }
  if (url !== undefined) {
    if (sha256 === undefined) report(["image", "url"], "needs sha256 beside it: the checksum of the file");
    return { kind: "url", url, sha256: sha256 ?? "" };
  }
  const file_ = path ?? file.base_image_path;
  if (file_ !== undefined) return present({ kind: "file" as const, path: file_, sha256 });
  if (sha256 !== undefined) report(["image", "sha256"], "needs url or path beside it");
  return { kind: "golden" };
}

function networkConfig(file: HpcFile["network"], report: Report): NetworkConfig {
  return present({
    mode: file.mode,
    attach: attachment(file, report),
    subnet: file.subnet,
    gatewayIp: file.gateway_ip,
    dhcpStart: file.dhcp_start,
    dhcpEnd: file.dhcp_end,
    dnsServers: file.dns_servers,
    dnsMode: file.dns_mode,
    egress: file.egress,
    peers: file.peers,
    staticLeases: file.static_leases,
    vmMacs: Object.fromEntries(Object.entries(file.vm_macs).map(([name, mac]) => [name, mac.toLowerCase()])),
  });
}

function accessConfig(access: HpcFile["access"], report: Report): AccessConfig {
  if (access === "proxy-jump") return { kind: access };
  if ("forward" in access) return present({ kind: "forward" as const, ...access.forward });
  const { address, bridge, gateway } = access.lan;
  if (gateway !== undefined && address === undefined) {
    report(["access", "lan", "gateway"], "needs address beside it; DHCP brings its own router");
  }
  return present({ kind: "lan" as const, bridge, address, gateway });
}

function attachment(file: HpcFile["network"], report: Report): NetworkConfig["attach"] {
  const { mode, bridge, libvirt_network: network } = file;
  if (network !== undefined && mode !== "existing") {
    report(["network", "libvirt_network"], `only mode existing uses a network of the site; mode is ${mode}`);
  }
  if (network !== undefined && bridge !== undefined) {
    report(["network", "libvirt_network"], "is given together with bridge; keep one");
  }
  if (network === undefined && bridge === undefined) {
    const also = mode === "existing" ? " (or libvirt_network)" : "";
    report(["network", "bridge"], `is missing; add it${also}, for example bridge: "hlab-dev0"`);
  }
  return network !== undefined && bridge === undefined
    ? { libvirtNetwork: network }
    : { bridge: bridge ?? "" };
}

interface SizeFile {
  cpu_cores: number;
  memory_gb: number;
  disk_gb: number;
  base_image_path?: string | undefined;
}

function size(file: SizeFile): NodeSizeConfig {
  return present({
    cpuCores: file.cpu_cores,
    memoryGb: file.memory_gb,
    diskGb: file.disk_gb,
    baseImagePath: file.base_image_path,
  });
}

function computeNodes(file: HpcFile["compute_nodes"], report: Report): ComputeNodesConfig {
  if (Array.isArray(file)) {
    const nodes = file.map((node, index): ComputeNodeConfig => {
      return { ...size(node), number: index + 1, ip: node.ip, autoStart: node.auto_start };
    });
    return { form: "array", nodes };
  }
  const left = new Set(Array.from({ length: file.count }, (_, index) => index + 1));
  for (const [index, number] of file.except.entries()) {
    if (left.delete(number)) continue;
    const known =
      number > file.count ? `is ${number}, but count is ${file.count}` : `${number} is listed twice`;
    report(["compute_nodes", "except", index], `${known}; remove it`);
  }
  if (left.size === 0) report(["compute_nodes", "except"], "leaves no compute node; expected at least one");
  const group = size(file);
  const nodes = [...left].map((number) => ({ ...group, number, ip: file.ip, autoStart: file.auto_start }));
  return { form: "group", nodes };
}

function slurmConfig(file: HpcFile["slurm_config"]): HpcConfig["slurm"] {
  const { partitions, default_partition, max_job_time, ...extra } = file;
  return present({ partitions, defaultPartition: default_partition, maxJobTime: max_job_time, extra });
}

function userConfig(file: NonNullable<HpcFile["users"]>[number]): UserConfig {
  return present({
    name: file.name,
    uid: file.uid,
    groups: file.groups,
    sshKeys: file.ssh_keys,
    admin: file.admin,
  });
}

function homeConfig(file: HpcFile["home"], report: Report): HpcConfig["home"] {
  if (file.nfs === undefined) return { kind: "controller" };
  if (file.kind !== undefined) report(["home", "nfs"], `is given together with kind ${file.kind}; keep one`);
  return { kind: "nfs", export: file.nfs };
}

function accelerationConfig(file: HpcFile["hardware"]["acceleration"]): AccelerationConfig {
  const { performance, numa_topology: numa } = file;
  return present({
    enableKvm: file.enable_kvm,
    enableNested: file.enable_nested,
    cpuModel: file.cpu_model === "host" ? ("host-passthrough" as const) : file.cpu_model,
    cpuFeatures: file.cpu_features,
    numaTopology: numa === null ? null : { nodes: numa.nodes, memoryPerNodeMiB: numa.memory_per_node },
    cpuTopology: file.cpu_topology,
    performance: present({
      enableHugepages: performance.enable_hugepages,
      hugepageSize: performance.hugepage_size,
      cpuPinning: performance.cpu_pinning,
      memoryBacking: performance.memory_backing,
    }),
  });
}
