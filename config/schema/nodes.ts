import { z } from "zod";
import { absolutePath, ipv4, ipv4OrDhcp, key, whole } from "./keys.ts";

const size = {
  cpu_cores: key(whole(1, 1024), {
    text: "Virtual CPUs of the machine; SLURM's CPUs of the node.",
    effect: "restart",
    example: 2,
  }),
  memory_gb: key(whole(1, 65536), {
    text: "Memory of the machine. Jobs may use 95 % of it less 128 MiB.",
    unit: "GB of 1024 MiB",
    effect: "restart",
    example: 4,
  }),
  disk_gb: key(whole(10, 1048576), {
    text: "Size of the root disk, a copy-on-write overlay of the image. It can grow, never shrink.",
    unit: "GB of 1024 MiB",
    effect: "live",
    example: 20,
  }),
  base_image_path: key(
    absolutePath()
      .regex(/\.qcow2$/, { error: "a path that ends in .qcow2" })
      .optional(),
    {
      text: "Cloud image of this machine instead of the cluster's: a qcow2 file on the machine that runs hyperlab.",
      defaultText: "the cluster's image",
      effect: "rebuild",
      example: "/var/lib/images/debian-13-genericcloud-amd64.qcow2",
    },
  ),
};

const autoStart = key(z.boolean().default(true), {
  text: "Run the machine and start it with its host. false: defined, switched off, nobody waits for it.",
  effect: "restart",
});

/** `controller` of a SLURM cluster. */
export const controllerSchema = z.strictObject({
  ...size,
  ip_address: key(ipv4(), {
    text: "Static address of the controller.",
    effect: "replace",
    example: "10.50.0.10",
  }),
});

/** A compute node in the list form. */
export const arrayNodeSchema = z.strictObject({
  ...size,
  ip: key(ipv4OrDhcp(), {
    text: "Static address, or DHCP: hyperlab plans one from the range and reserves it for the machine.",
    effect: "replace",
    example: "DHCP",
  }),
  auto_start: autoStart,
});

/** Compute nodes in the form with `count`. */
export const groupSchema = z.strictObject({
  ...size,
  count: key(whole(1, 65000), {
    text: "Number of equal machines, numbered from 1. A changed count touches the last machines only.",
    effect: "live",
    example: 16,
  }),
  except: key(z.array(whole(1, 65000)).default([]), {
    text: "Numbers of the group that do not exist: removes machines from the middle, the others keep name and address.",
    effect: "live",
    example: [3],
  }),
  ip: key(z.literal("DHCP"), {
    text: "Always DHCP: addresses are planned from the range and reserved.",
    effect: "replace",
    example: "DHCP",
  }),
  auto_start: autoStart,
});
