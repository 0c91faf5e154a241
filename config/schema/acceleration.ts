import { z } from "zod";
import { key, text, whole } from "./keys.ts";

const numaTopologySchema = z.strictObject({
  nodes: key(whole(1, 8), {
    text: "NUMA cells of each guest; virtual CPUs are spread evenly.",
    effect: "restart",
    example: 2,
  }),
  memory_per_node: key(z.int().min(1024), {
    text: "Memory of a cell. Where cells times this is not the machine's memory, it is split evenly and reported.",
    unit: "MiB",
    effect: "restart",
    example: 4096,
  }),
});

const cpuTopologySchema = z.strictObject({
  sockets: key(whole(1, 4), { text: "Sockets of each guest.", effect: "restart", example: 1 }),
  cores: key(whole(1, 64), {
    text: "Cores of a socket. Recomputed and reported where the product is not the machine's cpu_cores.",
    effect: "restart",
    example: 4,
  }),
  threads: key(whole(1, 2), { text: "Threads of a core.", effect: "restart", example: 1 }),
});

const performanceSchema = z.strictObject({
  enable_hugepages: key(z.boolean().optional(), {
    text: "Back guest memory with huge pages of the host.",
    defaultText: "false, or true with memory_backing hugepages",
    effect: "restart",
  }),
  hugepage_size: key(z.enum(["2M", "1G"]).default("2M"), {
    text: "Size of a huge page. The memory of every machine must be a multiple of it.",
    effect: "restart",
  }),
  cpu_pinning: key(z.boolean().default(false), {
    text: "Pin every virtual CPU to a host CPU of its own, chosen over all machines of the host. Too few CPUs is an error.",
    effect: "live",
  }),
  memory_backing: key(z.enum(["default", "hugepages", "memfd"]).default("default"), {
    text: "default: ordinary memory. memfd: shared memory. hugepages: same as enable_hugepages true.",
    effect: "restart",
  }),
});

/** `hardware.acceleration`. */
export const accelerationSchema = z.strictObject({
  enable_kvm: key(z.boolean().default(true), {
    text: "false: QEMU's own emulation, as hypervisor qemu.",
    effect: "restart",
  }),
  enable_nested: key(z.boolean().default(false), {
    text: "Let guests run virtual machines: vmx on Intel hosts, svm on AMD hosts.",
    effect: "restart",
  }),
  cpu_model: key(z.enum(["host-passthrough", "host-model", "host", "qemu64"]).default("host-passthrough"), {
    text: "CPU of the guest. host is another name of host-passthrough. Under emulation the host's models become maximum.",
    effect: "restart",
  }),
  cpu_features: key(
    z
      .array(
        text(
          /^[+-]?[a-z0-9][a-z0-9._-]*$/,
          "a CPU feature such as avx2, +avx2 (both: required) or -avx2 (off)",
        ),
      )
      .default([]),
    { text: "CPU features to require (name or +name) or switch off (-name).", effect: "restart" },
  ),
  numa_topology: key(numaTopologySchema.nullable().default(null), {
    text: "NUMA cells of each guest; null: none.",
    effect: "restart",
  }),
  cpu_topology: key(cpuTopologySchema.optional(), {
    text: "Sockets, cores and threads that each guest sees; SLURM's node lines say the same.",
    defaultText: "one socket, cpu_cores cores, one thread",
    effect: "restart",
  }),
  performance: key(performanceSchema.prefault({}), {
    text: "Memory backing and CPU pinning.",
    effect: "restart",
  }),
});
