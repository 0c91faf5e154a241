import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import { GUEST_SERIAL } from "../../planning/domains.ts";
import type { HpcClusterPlan, NodePlan } from "../../planning/plan.ts";
import type { ClusterStorage } from "./storage.ts";

/** The cluster's own network, or nothing where it uses one of the site. */
export function createNetwork(
  name: string,
  plan: HpcClusterPlan,
  opts: pulumi.CustomResourceOptions,
): libvirt.Network | undefined {
  return plan.network.kind === "owned"
    ? new libvirt.Network(`${name}-network`, plan.network.inputs, opts)
    : undefined;
}

/** Keys of a machine that are not those of its seed and its first boot. */
export interface MachineKeys {
  /** Absent where host keys were never rotated. */
  readonly sshHostKeyGeneration?: number;
  /** Absent where the login key was never rotated. */
  readonly loginPublicKey?: pulumi.Input<string>;
}

/** What a machine has besides its plan. */
export interface MachineExtras extends MachineKeys {
  /** Kept with its definition on the host. */
  readonly recoveryRecord?: pulumi.Input<string>;
}

/** One machine: one resource. */
export function createMachine(
  node: NodePlan,
  storage: ClusterStorage,
  extras: MachineExtras,
  opts: pulumi.CustomResourceOptions,
): libvirt.Domain {
  const seed = storage.seeds.get(node.seed);
  const image = storage.images.get(node.image);
  if (seed === undefined || image === undefined) {
    throw new Error(
      `The plan of ${node.name} names seed ${node.seed} and image ${node.image}, which it does not hold.`,
    );
  }
  const { guestSoftware } = storage;
  const guest = node.domain.disks.some((disk) => disk.serial === GUEST_SERIAL) ? guestSoftware : undefined;
  const args = {
    ...node.domain,
    ...extras,
    disks: [
      ...node.domain.disks,
      { pool: node.domain.rootDisk.pool, volume: seed.name, target: "vdz", seed: true },
    ],
  };
  const dependsOn = [seed, image, ...(guest === undefined ? [] : [guest])];
  const options = pulumi.mergeOptions(opts, { dependsOn });
  return withoutStackTraces(() => new libvirt.Domain(node.name, args, options));
}

/**
 * The SDK takes four stack traces for each property of a resource and maps them to sources, to be shown where a promise
 * never ends. For a thousand machines that takes longer than everything else that a program does.
 */
function withoutStackTraces<T>(work: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
