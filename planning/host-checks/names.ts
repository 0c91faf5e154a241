import type { HostFacts } from "../facts.ts";
import { type Findings, HPC } from "../findings.ts";
import type { HpcClusterPlan } from "../plan.ts";
import { known } from "./known.ts";

/** Machines, pool and network of this stack take no names of somebody else's. */
export function checkNames(plan: HpcClusterPlan, host: HostFacts, findings: Findings): void {
  const path = `${HPC}.name`;
  const remedy = "Choose another cluster name, or remove it from the host if it is not needed.";
  const domains = known(
    host.domains,
    "names-unknown",
    path,
    "whether the machines' names are free",
    findings,
  );
  const foreign = new Set((domains ?? []).filter((domain) => !domain.owned).map((domain) => domain.name));
  for (const node of [plan.controller, ...plan.computeNodes]) {
    if (!foreign.has(node.name)) continue;
    findings.error(
      "foreign-domain",
      path,
      `the host has a machine ${node.name} that is not of this stack`,
      remedy,
    );
  }
  const pools = known(host.pools, "pool-unknown", path, "whether the pool's name is free", findings);
  if (pools?.some((pool) => pool.name === plan.pool.name && !pool.owned) === true) {
    findings.error(
      "foreign-pool",
      path,
      `the host has a pool ${plan.pool.name} that is not of this stack`,
      remedy,
    );
  }
  if (plan.network.kind !== "owned" || !host.networks.known) return;
  const { name } = plan.network.inputs;
  if (host.networks.value.some((other) => other.kind === "libvirt" && other.name === name && !other.owned)) {
    findings.error(
      "foreign-network",
      path,
      `the host has a network ${name} that is not of this stack`,
      remedy,
    );
  }
}
