import type { HpcConfig, LabConfig } from "../../config/index.ts";
import { computeName, controllerName } from "../../planning/names.ts";
import type { LabNeeds } from "./facts.ts";

/** Where libvirt's own pool is; a lab without a path of its own is on the same file system. */
const DEFAULT_POOL_PATH = "/var/lib/libvirt/images";

/** What a lab asks of its host, from the cluster file alone: nothing is probed and nothing is planned. */
export function labNeeds(config: LabConfig): LabNeeds {
  const { hpc } = config;
  if (!hpc)
    return {
      networks: [],
      machines: [],
      poolPath: DEFAULT_POOL_PATH,
      hypervisor: "auto",
      buildsImage: false,
    };
  return {
    networks: ownedNetworks(hpc),
    machines: machines(hpc),
    poolPath: hpc.host.poolPath ?? DEFAULT_POOL_PATH,
    hypervisor: hpc.hypervisor,
    buildsImage: hpc.image.source.kind === "golden",
  };
}

function ownedNetworks(hpc: HpcConfig): LabNeeds["networks"] {
  const { attach, mode, subnet } = hpc.network;
  // A network that exists already is the site's; its subnet is in use by definition.
  if (mode === "existing" || !("bridge" in attach)) return [];
  return [{ name: hpc.name, bridge: attach.bridge, subnet }];
}

function machines(hpc: HpcConfig): LabNeeds["machines"] {
  const size = (node: { memoryGb: number; diskGb: number }, starts: boolean) => ({
    memoryMiB: starts ? Math.ceil(node.memoryGb * 1024) : 0,
    diskMiB: Math.ceil(node.diskGb * 1024),
  });
  const controller = size(hpc.controller, true);
  return [
    {
      name: controllerName(hpc.name),
      memoryMiB: controller.memoryMiB,
      diskMiB: controller.diskMiB + Math.ceil(hpc.stateDiskGb * 1024),
    },
    ...hpc.computeNodes.nodes.map((node) => ({
      name: computeName(hpc.name, node.number),
      ...size(node, node.autoStart),
    })),
  ];
}

/** Whether a connection URI means the system's libvirt of this machine, which hyperlab may set up. */
export function isLocalSystem(uri: string): boolean {
  return uri === "qemu:///system";
}
