import type { HpcClusterPlan } from "../../planning/plan.ts";

/**
 * Block for OpenSSH's client configuration: the controller by name, compute nodes through it. Host keys come from a
 * `known_hosts` file that holds the `knownHosts` output.
 */
export function sshConfig(plan: HpcClusterPlan): string {
  const user = plan.users[0]?.name ?? plan.ssh.user;
  const controller = [
    `Host ${plan.controller.name}`,
    `  HostName ${plan.controller.address}`,
    `  User ${user}`,
    "  StrictHostKeyChecking yes",
    ...(plan.ssh.proxyJump === undefined ? [] : [`  ProxyJump ${plan.ssh.proxyJump}`]),
  ];
  const nodes = plan.computeNodes.flatMap((node) => [
    `Host ${node.name}`,
    `  HostName ${node.address}`,
    `  User ${user}`,
    "  StrictHostKeyChecking yes",
    `  ProxyJump ${plan.controller.name}`,
  ]);
  return `${[...controller, ...nodes].join("\n")}\n`;
}
