import type { HpcConfig, LabConfig } from "../config/model.ts";
import { checkAccess, loginPlace, noteLogin, planAccess } from "./access.ts";
import { type Assignments, assign } from "./assignments.ts";
import { type CpuContext, checkCpu } from "./cpu.ts";
import {
  type ClusterContext,
  checkMemoryBacking,
  chooseHypervisor,
  heldMachines,
  type MachineSpec,
  planMachine,
} from "./domains.ts";
import { checkDrain } from "./drain-limits.ts";
import type { HostDomain, LabFacts } from "./facts.ts";
import { computePath, Findings, HPC } from "./findings.ts";
import { checkHost } from "./host-checks/check-host.ts";
import { imageKey, planGuestSoftware, planImages } from "./images.ts";
import { byText, computeName, controllerName } from "./names.ts";
import { resolveNetwork } from "./network.ts";
import { allocatePins } from "./pins.ts";
import type {
  AccessPlan,
  HpcClusterPlan,
  LabPlan,
  NodePlan,
  PlanResult,
  SecretSlot,
  SshPlan,
} from "./plan.ts";
import { type PowerDeclarations, type PowerPlan, planPower } from "./power.ts";
import { SeedPlanner } from "./seeds.ts";
import { lintPlan } from "./slurm/lint-plan.ts";
import { planSlurm } from "./slurm/model.ts";
import { verifyTimeoutSeconds } from "./slurm/timing.ts";
import { checkSoftware } from "./software/check.ts";
import { planGroups, planUsers } from "./users.ts";

/** How strictly a lab is planned. */
export interface PlanOptions {
  /** Departures from the file that are otherwise warnings (unknown SLURM parameters, adjusted topologies) are errors. */
  strict?: boolean;
  /** What the stack configuration declares about power. Default: nothing, the file decides. */
  power?: PowerDeclarations;
}

/**
 * Decides everything about a lab. Pure: the same configuration and facts always give the same plan, whatever the order
 * of maps, users or facts. Time grows linearly with the number of nodes.
 *
 * @param config From `loadLabFile`, or written in TypeScript.
 * @param facts What is known about host, images and earlier runs.
 * @returns The plan and everything the person should know. Act on the plan only where `hasErrors(findings)` is false.
 */
export function planLab(config: LabConfig, facts: LabFacts, options: PlanOptions = {}): PlanResult {
  const findings = new Findings();
  const plan: LabPlan = { format: 1, name: config.name, description: config.description };
  if (config.hpc !== undefined) {
    const hpc = planHpc(config, config.hpc, facts, options, findings);
    if (hpc !== undefined) plan.hpc = hpc;
  }
  return { plan, findings: findings.sorted() };
}

function planHpc(
  lab: LabConfig,
  config: HpcConfig,
  facts: LabFacts,
  { power: declared = { power: {}, restarts: {} }, strict = false }: PlanOptions,
  findings: Findings,
): HpcClusterPlan | undefined {
  const network = resolveNetwork(config, findings);
  if (network === undefined) return undefined;
  const hypervisor = chooseHypervisor(config, facts, findings);
  const cpu: CpuContext = { acceleration: config.acceleration, hypervisor, host: facts.host, strict };
  checkCpu(cpu, findings);
  checkMemoryBacking(config, findings);
  const images = planImages(config, facts.images, findings);
  const guestSoftware = planGuestSoftware(config, facts.images, findings);
  const names = storageNames(config);
  const power = planPower(config, declared, findings);
  const access = planAccess(config, lab.name, network.plan.subnet);
  const context: ClusterContext = {
    config,
    facts,
    description: `${lab.name}: ${lab.description}`,
    cpu,
    network,
    access,
    images: new Map(images.map((image) => [image.key, image])),
    ...(guestSoftware === undefined ? {} : { guestVolume: guestSoftware.volume }),
    pool: names.pool,
    stateVolume: names.state,
    held: heldMachines(facts),
  };
  const { machines, seeds } = planMachines(
    context,
    assign(config, network, facts, findings),
    power,
    findings,
  );
  const [controller, ...computeNodes] = machines;
  if (controller === undefined) return undefined;
  const users = planUsers(config, facts, findings);
  const head = { name: controller.name, address: controller.address };
  const slurm = planSlurm(config, head, computeNodes, { hypervisor, strict }, findings);
  const plan: HpcClusterPlan = {
    name: config.name,
    host: { uri: config.host.uri },
    hypervisor,
    pool: { name: names.pool, path: config.host.poolPath ?? `/var/lib/libvirt/images/${names.pool}` },
    network: network.plan,
    policy: network.policy,
    access,
    images,
    ...(guestSoftware === undefined ? {} : { guestSoftware }),
    seeds,
    stateVolume: {
      inputs: { name: names.state, pool: names.pool, format: "qcow2", sizeMiB: config.stateDiskGb * 1024 },
      protect: config.protectState,
    },
    controller,
    computeNodes,
    slurm,
    users,
    groups: planGroups(users, findings),
    home: config.home,
    drain: drainPlan(config),
    verify: {
      timeoutSeconds: verifyTimeoutSeconds(slurm.timing),
      job: slurm.nodes.some((node) => node.running),
    },
    ssh: sshPlan(config, access),
    secrets: SECRETS.map((slot) => ({ ...slot })),
  };
  checkUnusedAdditions(
    config,
    images.some((image) => image.key === "base"),
    findings,
  );
  checkHost(config, plan, network, facts.host, findings);
  const golden = context.images.get(imageKey(config, config.controller))?.golden ?? true;
  checkAccess(config, { golden, host: facts.host, network }, findings);
  noteLogin(access, findings);
  checkDrain(config, plan, facts.host, findings);
  checkSoftware(config, plan, facts, findings);
  lintPlan(plan, findings);
  return plan;
}

function drainPlan({ drain }: HpcConfig): HpcClusterPlan["drain"] {
  const { onTimeout = "fail", waitMinutes } = drain;
  return { timeoutSeconds: waitMinutes * 60, ...(onTimeout === "fail" ? {} : { onTimeout }) };
}

const storageNames = (config: HpcConfig) => ({
  pool: `${config.name}-pool`,
  state: `${config.name}-state.qcow2`,
});

/** The controller first, then compute nodes by number; and the seeds that they need. */
function planMachines(
  context: ClusterContext,
  assignments: Assignments,
  power: PowerPlan,
  findings: Findings,
): { machines: NodePlan[]; seeds: HpcClusterPlan["seeds"] } {
  const { config, network } = context;
  const head = controllerName(config.name);
  const seeds = new SeedPlanner(
    config.name,
    { name: head, address: assignments.addresses.get(head) ?? network.gateway },
    network,
    { packages: [...new Set(config.image.packages)].sort(byText), files: sortedFiles(config) },
  );
  const specs = machineSpecs(context, assignments, power, findings);
  const machines = specs.map((spec) => {
    const golden = context.images.get(imageKey(config, spec.size))?.golden ?? true;
    const seed = seeds.seedOf({ ...spec, golden });
    return planMachine(context, { ...spec, seed }, findings);
  });
  return { machines, seeds: seeds.all().sort((a, b) => byText(a.name, b.name)) };
}

const sortedFiles = (config: HpcConfig) => [...config.image.files].sort((a, b) => byText(a.path, b.path));

function machineSpecs(
  context: ClusterContext,
  { addresses, macs }: Assignments,
  power: PowerPlan,
  findings: Findings,
): Omit<MachineSpec, "seed">[] {
  const { config, network } = context;
  const common = (name: string) => ({
    name,
    address: addresses.get(name) ?? network.gateway,
    mac: macs.get(name) ?? "",
    running: power.running.get(name) ?? true,
    restartTrigger: power.restarts.get(name),
  });
  const specs: Omit<MachineSpec, "seed" | "pins">[] = [
    {
      ...common(controllerName(config.name)),
      role: "controller",
      number: 0,
      size: config.controller,
      path: `${HPC}.controller`,
    },
    ...config.computeNodes.nodes.map((node) => ({
      ...common(computeName(config.name, node.number)),
      role: "compute" as const,
      number: node.number,
      size: node,
      path: computePath(config.computeNodes.form, node.number),
    })),
  ];
  const pins = pinsOf(context, specs, findings);
  return specs.map((spec) => ({ ...spec, pins: pins.get(spec.name) }));
}

function pinsOf(
  context: ClusterContext,
  specs: readonly Omit<MachineSpec, "seed" | "pins">[],
  findings: Findings,
): Map<string, number[]> {
  const { config, facts } = context;
  if (!config.acceleration.performance.cpuPinning) return new Map();
  const path = `${HPC}.hardware.acceleration.performance.cpu_pinning`;
  const { cpus, domains } = facts.host;
  if (!cpus.known || !domains.known) {
    const why = cpus.known ? (domains.known ? "" : domains.why) : cpus.why;
    const text = `CPUs cannot be chosen: the host's CPUs and their users are not known, ${why}`;
    findings.error("pinning-unknown", path, text, "Make the host reachable, or set cpu_pinning to false.");
    return new Map();
  }
  const planned = new Set(specs.map((spec) => spec.name));
  const isOurs = (domain: HostDomain) => domain.owned && planned.has(domain.name);
  // A machine of this stack that goes keeps its CPUs until it is gone, which is after the new ones were made.
  const others = domains.value.filter((domain) => !isOurs(domain));
  const taken = new Set(others.flatMap((domain) => domain.pinnedCpus));
  const held = new Map(domains.value.filter(isOurs).map((domain) => [domain.name, domain.pinnedCpus]));
  // A machine that is off needs no CPUs of its own.
  const requests = specs
    .filter((spec) => spec.running)
    .map((spec) => ({ name: spec.name, vcpus: spec.size.cpuCores }));
  const { pins, failed } = allocatePins(cpus.value, taken, requests, held);
  if (failed.length > 0) {
    const wanted = requests.reduce((sum, request) => sum + request.vcpus, 0);
    const free = cpus.value.filter((cpu) => !taken.has(cpu.id)).length;
    const text = `the running machines need ${wanted} host CPUs of their own, ${free} are free`;
    findings.error(
      "pinning-exceeded",
      path,
      text,
      "Lower cpu_cores or the number of nodes, or set cpu_pinning to false.",
    );
  }
  return pins;
}

/** Additions to an image that no machine uses. */
function checkUnusedAdditions(config: HpcConfig, baseUsed: boolean, findings: Findings): void {
  const { source, packages, files, revision } = config.image;
  const given = packages.length > 0 || files.length > 0 || revision !== 1 || source.kind !== "golden";
  if (baseUsed || !given) return;
  const text = "every machine has an image of its own; the cluster's image is not used";
  findings.warning("key-without-effect", `${HPC}.image`, text, "Remove it, or base_image_path of a machine.");
}

/** Guests behind a remote host are reached through it, except in a network that the site can reach. */
function sshPlan(config: HpcConfig, access: AccessPlan): SshPlan {
  const login = loginPlace(access);
  const match = /^qemu\+ssh:\/\/([^/?#]+)/.exec(config.host.uri);
  const reachable = config.network.mode === "routed" || config.network.mode === "existing";
  if (match?.[1] === undefined || reachable) return { user: "hyperlab", ...login };
  return { user: "hyperlab", proxyJump: match[1], ...login };
}

const SECRETS: readonly SecretSlot[] = [
  {
    name: "slurmJwks",
    kind: "slurm-jwks",
    purpose: "SLURM's key: every daemon and command proves itself with it",
  },
  { name: "databasePassword", kind: "password", purpose: "slurmdbd's account in MariaDB" },
  { name: "clusterSshKey", kind: "ssh-ed25519", purpose: "the controller's way to its nodes" },
  { name: "loginSshKey", kind: "ssh-ed25519", purpose: "the stack's way to the controller, as hyperlab" },
  {
    name: "identitySecret",
    kind: "random-32-bytes",
    purpose: "SSH host keys of the machines are derived from it",
  },
];
