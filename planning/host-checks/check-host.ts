import type { HpcConfig } from "../../config/model.ts";
import type { HostFacts } from "../facts.ts";
import type { Findings } from "../findings.ts";
import type { ResolvedNetwork } from "../network.ts";
import type { HpcClusterPlan } from "../plan.ts";
import { checkNames } from "./names.ts";
import { checkBridge, checkExistingDhcp, checkExistingSubnet, checkFilter, checkSubnets } from "./network.ts";
import { checkDisk, checkHugepages, checkMemory } from "./resources.ts";

/** Compares the plan with the host. What is not known becomes a finding of its own and is never taken as passed. */
export function checkHost(
  config: HpcConfig,
  plan: HpcClusterPlan,
  network: ResolvedNetwork,
  host: HostFacts,
  findings: Findings,
): void {
  checkNames(plan, host, findings);
  checkBridge(config, host, findings);
  checkExistingSubnet(config, network, host, findings);
  checkExistingDhcp(config, plan, host, findings);
  checkSubnets(config, network, host, findings);
  checkMemory(plan, host, findings);
  checkHugepages(config, plan, host, findings);
  checkDisk(plan, host, findings);
  checkFilter(host, findings);
}
