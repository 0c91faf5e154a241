import { loginNetwork } from "./access.ts";
import { hostsText } from "./hosts-text.ts";
import { firewallRules } from "./network-policy/index.ts";
import type { DrainPlan, GroupPlan, HomePlan, HpcClusterPlan, UserPlan, VerifyPlan } from "./plan.ts";
import {
  nodeLine,
  renderCgroupConf,
  renderGresConf,
  renderSlurmConf,
  renderSlurmdbdConf,
} from "./slurm/render.ts";

/** The document of `docs/guest-contract.md` that the controller reads in its steps `before` and `after`. No secret. */
export interface ControllerDocument {
  /** 2 with a login interface: guest software from before it would give that one the machine's default route. */
  format: 1 | 2;
  cluster: string;
  slurmConf: string;
  cgroupConf: string;
  gresConf: string;
  slurmdbdConf: string;
  hosts: string;
  nodes: { name: string; address: string; hostKey: string; running: boolean; line: string }[];
  users: UserPlan[];
  groups: GroupPlan[];
  home: HomePlan;
  /**
   * `rules`: firewall of each role. Guest software from before them opens the subnet. `login`: the controller's login
   * interface for systemd-networkd.
   */
  network: { subnet: string; rules: { controller: string; compute: string }; login?: string };
  drain: DrainPlan;
  verify: VerifyPlan;
}

/**
 * @param hostKey Public SSH host key of a machine, `ssh-ed25519 AAAA…`, by its name.
 */
export function controllerDocument(
  plan: HpcClusterPlan,
  hostKey: (machine: string) => string,
): ControllerDocument {
  const { access, slurm } = plan;
  const login = access.kind === "lan" ? { login: loginNetwork(access) } : {};
  return {
    format: access.kind === "lan" ? 2 : 1,
    cluster: plan.name,
    slurmConf: renderSlurmConf(slurm),
    cgroupConf: renderCgroupConf(slurm),
    gresConf: renderGresConf(slurm),
    slurmdbdConf: renderSlurmdbdConf(slurm),
    hosts: hostsText(plan),
    nodes: slurm.nodes.map((node) => ({
      name: node.name,
      address: node.address,
      hostKey: hostKey(node.name),
      running: node.running,
      line: nodeLine(node),
    })),
    users: plan.users,
    groups: plan.groups,
    home: plan.home,
    network: { subnet: plan.network.subnet, rules: firewallRules(plan), ...login },
    drain: plan.drain,
    verify: plan.verify,
  };
}
