import type { HpcClusterPlan } from "./plan.ts";

/** Lines for /etc/hosts: every machine with its full and its short name. */
export function hostsText(plan: HpcClusterPlan): string {
  const domain = `${plan.name}.local`;
  return [plan.controller, ...plan.computeNodes]
    .map((node) => `${node.address} ${node.name}.${domain} ${node.name}\n`)
    .join("");
}
