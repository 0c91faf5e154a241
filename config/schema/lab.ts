import { z } from "zod";
import { accelerationSchema } from "./acceleration.ts";
import { absolutePath, key, label, text, whole } from "./keys.ts";
import { accessSchema, networkSchema } from "./network.ts";
import { arrayNodeSchema, controllerSchema, groupSchema } from "./nodes.ts";
import { homeSchema, imageSchema, userSchema } from "./users.ts";

/** SLURM's time: minutes, m:s, h:m:s, d-h, d-h:m, d-h:m:s or UNLIMITED. */
const slurmTime = () =>
  text(
    /^(UNLIMITED|INFINITE|\d+|\d+:\d\d?|\d+:\d\d?:\d\d?|\d+-\d+(:\d\d?){0,2})$/i,
    'a SLURM time such as "1-00:00:00" (days-hours:minutes:seconds), "8:00:00", "90" (minutes) or UNLIMITED',
  );

const partitionName = () =>
  text(
    /^(?!(?:default|all)$)[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/i,
    "letters, digits, _ and -, not DEFAULT or ALL, such as main",
  );

const slurmConfigSchema = z
  .strictObject({
    partitions: key(z.array(partitionName()).min(1), {
      text: "Names of the partitions. Each holds every compute node.",
      effect: "reconfigure",
      example: ["main"],
    }),
    default_partition: key(partitionName(), {
      text: "The partition of a job that names none; one of partitions.",
      effect: "reconfigure",
      example: "main",
    }),
    max_job_time: key(slurmTime().optional(), {
      text: "Longest run time of a job (MaxTime of every partition).",
      defaultText: "UNLIMITED",
      effect: "reconfigure",
      example: "1-00:00:00",
    }),
  })
  .catchall(z.unknown());

const hostSchema = z.strictObject({
  uri: key(
    text(
      /^(qemu|test)(\+unix|\+ssh)?:\/\/[^\s]*$/,
      "a libvirt URI such as qemu:///system or qemu+ssh://root@host/system",
    ).default("qemu:///system"),
    { text: "libvirt daemon that runs the cluster.", effect: "replace" },
  ),
  pool_path: key(absolutePath().optional(), {
    text: "Directory on the libvirt host for the disks of the cluster.",
    defaultText: "/var/lib/libvirt/images/NAME-pool",
    effect: "replace",
    example: "/srv/libvirt/lab",
  }),
});

/** `clusters.hpc`. */
export const hpcSchema = z.strictObject({
  name: key(label(), {
    text: "Name of the cluster: prefix of every machine, disk and network, and SLURM's ClusterName.",
    effect: "replace",
    example: "lab",
  }),
  host: key(hostSchema.prefault({}), { text: "Where the machines run.", effect: "replace" }),
  hypervisor: key(z.enum(["auto", "kvm", "qemu"]).default("auto"), {
    text: "kvm: hardware virtualisation. qemu: QEMU's own emulation, slow, works anywhere. auto: kvm where a test shows that it works.",
    effect: "restart",
  }),
  base_image_path: key(
    absolutePath()
      .regex(/\.qcow2$/, { error: "a path that ends in .qcow2" })
      .optional(),
    {
      text: "Cloud image of every machine: a qcow2 file on the machine that runs hyperlab. Same as image.path.",
      defaultText: "the image that hyperlab builds from Debian packages",
      effect: "rebuild",
    },
  ),
  image: key(imageSchema.prefault({}), { text: "What the machines' disks begin with.", effect: "rebuild" }),
  network: key(networkSchema, { text: "Network of the cluster.", effect: "replace" }),
  access: key(accessSchema.default("proxy-jump"), {
    text:
      "How users reach the login machine, which is the controller. proxy-jump: in the cluster's network, through a remote host where it is behind one " +
      "(ssh's ProxyJump). A map with lan: at an address of its own in the users' network; comes and goes while the controller runs. A map with forward: at a port of the host.",
    effect: "live",
  }),
  controller: key(controllerSchema, {
    text: "The machine with slurmctld, the accounting database, the homes, and where people log in. It runs no jobs.",
    effect: "restart",
  }),
  compute_nodes: key(z.union([z.array(arrayNodeSchema).min(1), groupSchema]), {
    text: "Compute nodes: a list, or a group of equal ones with count. Their order gives their names.",
    effect: "live",
  }),
  slurm_config: key(slurmConfigSchema, {
    text: "SLURM. Further keys: parameters of slurm.conf of SLURM 24.11 by their name.",
    effect: "reconfigure",
  }),
  users: key(z.array(userSchema).optional(), {
    text: "People with an account on every machine.",
    defaultText: "whoever runs hyperlab, with their public key, as admin",
    effect: "live",
  }),
  home: key(homeSchema.prefault({}), { text: "Where home directories lie.", effect: "reconfigure" }),
  state_disk_gb: key(whole(1, 1048576).default(20), {
    text: "Disk of the controller that outlives it: SLURM's state, accounting database, homes. It can grow, never shrink.",
    unit: "GB of 1024 MiB",
    effect: "live",
  }),
  protect_state: key(z.boolean().default(true), {
    text: "Refuse to delete the state disk.",
    effect: "none",
  }),
  drain: key(
    z
      .strictObject({
        wait_minutes: key(whole(0, 525600).optional(), {
          text: "How long a machine that has to stop may wait for its jobs to end; see then.",
          unit: "minutes",
          defaultText: "60",
          effect: "none",
          example: 60,
        }),
        // biome-ignore lint/suspicious/noThenProperty: a key of the cluster file; nothing awaits the schema.
        then: key(z.enum(["fail", "requeue", "wait", "kill"]).default("fail"), {
          text:
            "What happens to jobs that still run then. fail: the run stops with an error that lists them, the machine is not stopped " +
            "and takes no new jobs, and the next run goes on. requeue: jobs that can be requeued are; fail for the rest. " +
            "wait: there is no time limit. kill: they are cancelled.",
          effect: "none",
        }),
      })
      .prefault({}),
    { text: "Emptying machines before they stop (docs/draining.md).", effect: "none" },
  ),
  rollout: key(
    z
      .strictObject({
        max_unavailable: key(whole(1, 65000).default(1), {
          text: "Machines that may be down at a time while a change is rolled out.",
          effect: "none",
        }),
        ready_minutes: key(whole(1, 1440).optional(), {
          text: "How long a machine may take from its start until it is ready. Then the roll-out stops; a machine with a new image goes back to its old disk.",
          unit: "minutes",
          defaultText:
            "six times what a boot on this host takes, at least 15; twice that with a cloud image of your own",
          effect: "none",
          example: 20,
        }),
      })
      .prefault({}),
    { text: "Rolling changes.", effect: "none" },
  ),
  hardware: key(
    z
      .strictObject({
        acceleration: key(accelerationSchema.prefault({}), {
          text: "How guests use the host's CPU and memory.",
          effect: "restart",
        }),
      })
      .prefault({}),
    { text: "Virtual hardware of the machines.", effect: "restart" },
  ),
});

const clustersSchema = z.strictObject({
  hpc: key(hpcSchema, { text: "A SLURM cluster.", effect: "live" }),
});

/** The cluster file in its canonical form; other accepted forms are rewritten before (see `../canonical.ts`). */
export const labSchema = z
  .strictObject({
    version: key(z.literal("1.0"), {
      text: "Version of the format, in quotes.",
      effect: "none",
      example: "1.0",
    }),
    metadata: key(
      z.strictObject({
        name: key(z.string().min(1).max(200), { text: "Name of the lab.", effect: "live", example: "dev" }),
        description: key(z.string().max(2000), {
          text: "What the lab is for; shown with every machine in libvirt.",
          effect: "live",
          example: "Development cluster",
        }),
      }),
      { text: "About the lab.", effect: "live" },
    ),
    global: key(z.strictObject({}).nullish(), {
      text: "Nothing is defined for it yet: absent or empty.",
      effect: "none",
    }),
    clusters: key(clustersSchema, { text: "The clusters of the lab.", effect: "live" }),
  })
  .meta({ title: "hyperlab cluster file" });

/** A file that fits the schema, defaults filled in. */
export type LabFile = z.output<typeof labSchema>;
/** `clusters.hpc` of such a file. */
export type HpcFile = z.output<typeof hpcSchema>;
