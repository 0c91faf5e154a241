import type { HpcConfig } from "../../config/model.ts";
import { ACCELERATION } from "../cpu.ts";
import { hugepageKiB, usesHugepages } from "../domains.ts";
import type { HostFacts } from "../facts.ts";
import { type Findings, HPC } from "../findings.ts";
import type { HpcClusterPlan } from "../plan.ts";
import { known } from "./known.ts";

/** Memory that the host keeps for itself, in MiB. */
export const HOST_RESERVE_MIB = 512;
/** Memory that QEMU takes beside a guest's own, in MiB. */
export const QEMU_OVERHEAD_MIB = 100;

/** The machines that run fit the host's memory, beside those of others. */
export function checkMemory(plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  const total = known(
    host.memoryMiB,
    "memory-unknown",
    "",
    "whether the machines fit the host's memory",
    findings,
  );
  if (total === undefined) return;
  const machines = runningMachines(plan);
  const needed = machines.reduce((sum, node) => sum + node.domain.memoryMiB + QEMU_OVERHEAD_MIB, 0);
  const others = foreignRunning(host).reduce((sum, domain) => sum + domain.memoryMiB + QEMU_OVERHEAD_MIB, 0);
  if (needed + others + HOST_RESERVE_MIB <= total) return;
  findings.error(
    "memory-exceeded",
    `${HPC}.compute_nodes`,
    `the ${machines.length} running machines need ${needed} MiB and other machines of the host ${others} MiB; ` +
      `the host has ${total} MiB, of which it keeps ${HOST_RESERVE_MIB}`,
    "Lower memory_gb or the number of nodes, or set auto_start: false on some.",
  );
}

/** Enough huge pages are free for the machines that are to start. */
export function checkHugepages(
  config: HpcConfig,
  plan: HpcClusterPlan,
  host: HostFacts,
  findings: Findings,
): void {
  if (!usesHugepages(config.acceleration)) return;
  const path = `${ACCELERATION}.performance.hugepage_size`;
  const sizeKiB = hugepageKiB(config.acceleration);
  const pages = known(
    host.freeHugepages,
    "hugepages-unknown",
    path,
    "whether enough huge pages are free",
    findings,
  );
  if (pages === undefined || !host.domains.known) return;
  // Pages of machines that run already are not free, and are not needed again.
  const running = new Set(
    host.domains.value.filter((domain) => domain.owned && domain.running).map(({ name }) => name),
  );
  const starting = runningMachines(plan).filter((node) => !running.has(node.name));
  const needed = starting.reduce((sum, node) => sum + (node.domain.memoryMiB * 1024) / sizeKiB, 0);
  const free = pages.find((page) => page.sizeKiB === sizeKiB)?.count ?? 0;
  if (needed <= free) return;
  findings.error(
    "hugepages-exceeded",
    path,
    `${needed} huge pages of ${sizeKiB} KiB are needed, ${free} are free`,
    sizeKiB === 2048
      ? `On the host: sysctl vm.nr_hugepages=N with ${Math.ceil(needed - free)} more than now.`
      : "Reserve them at boot: kernel arguments hugepagesz=1G hugepages=N.",
  );
}

/** New disks fit the pool: their first content must, what they may grow to should. */
export function checkDisk(plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  const path = `${HPC}.host.pool_path`;
  const free = known(host.poolFreeMiB, "disk-unknown", path, "whether the disks fit the pool", findings);
  if (free === undefined) return;
  // Overlays and the state disk grow with their content; what is certain to be needed is their first content.
  const machines = [plan.controller, ...plan.computeNodes];
  const existing = host.domains.known
    ? new Set(host.domains.value.map((domain) => domain.name))
    : new Set<string>();
  const fresh = machines.filter((node) => !existing.has(node.name));
  const least = fresh.length * 512 + (fresh.length === machines.length ? plan.images.length * 2048 : 0);
  const most = fresh.reduce((sum, node) => sum + node.domain.rootDisk.sizeMiB, 0);
  if (least > free) {
    const text = `${plan.pool.path} has ${free} MiB free; new machines need at least ${least} MiB`;
    findings.error("disk-exceeded", path, text, "Free space there, or choose another pool_path.");
  } else if (most > free) {
    const text = `${plan.pool.path} has ${free} MiB free; new machines may grow to ${most} MiB`;
    findings.warning(
      "disk-overcommitted",
      path,
      text,
      "Watch the space, lower disk_gb, or choose another pool_path.",
    );
  }
}

const runningMachines = (plan: HpcClusterPlan) =>
  [plan.controller, ...plan.computeNodes].filter((node) => node.domain.running);

const foreignRunning = (host: HostFacts) =>
  host.domains.known ? host.domains.value.filter((domain) => !domain.owned && domain.running) : [];
