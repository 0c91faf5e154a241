import type { HpcClusterPlan, NodePlan } from "../../planning/plan.ts";
import { acceptedHostKeys, type HostKeySource } from "./keys.ts";

/** Where people's ssh goes to reach the controller, and through which host. */
export function loginWay({ controller, ssh }: HpcClusterPlan): Way {
  return ssh.login === undefined
    ? { address: controller.address, port: undefined, jump: ssh.proxyJump }
    : { address: ssh.login, port: ssh.loginPort, jump: undefined };
}

/** Where to, at which port where it is not SSH's own, and through which host. */
interface Way {
  readonly address: string;
  readonly port: number | undefined;
  readonly jump: string | undefined;
}

/**
 * Block for OpenSSH's client configuration, complete in itself: the controller by name, compute nodes through it, each
 * with the host keys that are accepted.
 *
 * @param keys The cluster's, from which the host keys are derived; its secret does not occur in the text.
 */
export function sshConfig(plan: HpcClusterPlan, keys: HostKeySource): string {
  const user = plan.users[0]?.name ?? plan.ssh.user;
  const block = (node: NodePlan, { address, jump, port }: Way): string[] => [
    `Host ${node.name}`,
    `  HostName ${address}`,
    ...(port === undefined ? [] : [`  Port ${port}`]),
    `  User ${user}`,
    "  StrictHostKeyChecking yes",
    `  HostKeyAlias ${node.name}`,
    // OpenSSH before 8.5 needs a known_hosts file with the output `knownHosts` instead.
    "  IgnoreUnknown KnownHostsCommand",
    `  KnownHostsCommand /usr/bin/printf "%%s %%s %%s\\n" ${accepted(keys, node.name)}`,
    ...(jump === undefined ? [] : [`  ProxyJump ${jump}`]),
  ];
  const controller = block(plan.controller, loginWay(plan));
  const through = { port: undefined, jump: plan.controller.name };
  const nodes = plan.computeNodes.flatMap((node) => block(node, { address: node.address, ...through }));
  return `${[...controller, ...nodes].join("\n")}\n`;
}

/** Words of the lines for `known_hosts`, three for each key. */
function accepted(keys: HostKeySource, machine: string): string {
  return acceptedHostKeys(keys, machine)
    .map((key) => `${machine} ${key}`)
    .join(" ");
}
