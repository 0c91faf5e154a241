import type { remote } from "@pulumi/command";
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import type { HpcClusterPlan, NodePlan } from "../../planning/plan.ts";
import type { HpcClusterArgs, NodeOutput, Verification } from "./args.ts";
import type { KeyGenerations } from "./key-generations.ts";
import { acceptedHostKeys, type ClusterKeys, clusterKeys, type HostKeySource } from "./keys.ts";
import { createMachine, createNetwork, type MachineKeys } from "./machines.ts";
import { configureSlurm, controllerConnection, installSecrets, parseVerification } from "./slurm.ts";
import { loginWay, sshConfig } from "./ssh-config.ts";
import { createStorage } from "./storage.ts";

/**
 * A SLURM cluster on one libvirt host: network, controller with its state volume, compute nodes, accounting, users and
 * homes.
 *
 * One machine is one resource; the number of command resources is constant. Order: storage and network, the
 * controller, its keys, SLURM prepared for the changes (`before`), the compute nodes, SLURM's final configuration
 * with verification (`after`). Nodes that go are emptied by `after`; the engine deletes them when it is done. Where the
 * controller is declared off, the compute nodes come first, and SLURM's commands wait until it is on again.
 *
 * @example
 * const identity = new StackIdentity("lab");
 * const cluster = new HpcCluster("hpc", { plan: planLab(config, facts).plan.hpc, owner: identity.owner, secret: identity.secret });
 */
export class HpcCluster extends pulumi.ComponentResource {
  /** Address of the controller in the cluster's network. */
  readonly controllerAddress: pulumi.Output<string>;
  /** Every machine, the controller first. */
  readonly nodes: pulumi.Output<NodeOutput[]>;
  /** Names of the partitions, in the order of the cluster file. */
  readonly partitions: pulumi.Output<string[]>;
  /** Command that logs in to the controller as the first user. */
  readonly sshCommand: pulumi.Output<string>;
  /** Block for `~/.ssh/config`: all machines with their pinned host keys, each the one in force and the next one. */
  readonly sshConfig: pulumi.Output<string>;
  /** Lines for a `known_hosts` file, for other clients than OpenSSH 8.5 and newer: name and address of every machine. */
  readonly knownHosts: pulumi.Output<string>;
  /** What the cluster proved after the last change. */
  readonly verification: pulumi.Output<Verification>;

  constructor(name: string, args: HpcClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("hyperlab:index:HpcCluster", name, {}, opts);
    const { plan } = args;
    const generations = args.keyGenerations ?? {};
    const keys = pulumi.secret(
      pulumi.output(args.secret).apply((secret) => clusterKeys(secret, plan.name, generations)),
    );
    const host = new libvirt.Provider(
      `${name}-host`,
      { uri: plan.host.uri, owner: args.owner, identitySecret: keys.identitySecret },
      { parent: this },
    );
    const onHost: pulumi.CustomResourceOptions = { parent: this, provider: host };
    const publicKeys = {
      loginPublicKey: pulumi.unsecret(keys.seedLoginKey),
      clusterPublicKey: pulumi.unsecret(keys.clusterSshKey.publicKey),
    };
    const storage = createStorage(name, plan, args.imageBuilds ?? {}, publicKeys, onHost);
    const network = createNetwork(name, plan, onHost);
    const attached = { ...onHost, dependsOn: network === undefined ? [] : [network] };
    const changed = machineKeys(keys, generations);
    const { recoveryRecord } = args;
    const kept = recoveryRecord === undefined ? {} : { recoveryRecord };
    const machine = (node: NodePlan, dependsOn: pulumi.Resource[], ignoreChanges: string[] = []) =>
      createMachine(
        node,
        storage,
        node === plan.controller ? { ...changed, ...kept } : changed,
        pulumi.mergeOptions(attached, { dependsOn, ignoreChanges }),
      );

    const computeNodes = (after: pulumi.Resource[], ignoreChanges?: string[]) =>
      plan.computeNodes.map((node) => machine(node, after, ignoreChanges));
    // A cluster that is off, declared so or held: its compute nodes are emptied and stopped before their controller. Nodes
    // that run keep their host keys until it is on again: it would not know the new ones.
    const off = isOn(plan.controller) ? undefined : computeNodes([], ["sshHostKeyGeneration"]);
    const controller = machine(plan.controller, [storage.state, ...(off ?? [])]);
    const verified = this.configure(
      name,
      plan,
      keys,
      generations,
      controller,
      (ready) => off ?? computeNodes([ready]),
    );

    this.controllerAddress = pulumi.output(plan.controller.address);
    this.verification = verified.stdout.apply(parseVerification);
    this.nodes = this.verification.apply((verification) => nodeOutputs(plan, verification));
    this.partitions = pulumi.output(plan.slurm.partitions.map((partition) => partition.name));
    this.knownHosts = pulumi.unsecret(keys.apply((made) => knownHosts(plan, made)));
    const user = plan.users[0]?.name ?? plan.ssh.user;
    const way = loginWay(plan);
    const jump = way.jump === undefined ? "" : `-J ${way.jump} `;
    const port = way.port === undefined ? "" : `-p ${way.port} `;
    this.sshCommand = pulumi.output(`ssh ${jump}${port}${user}@${way.address}`);
    this.sshConfig = pulumi.unsecret(keys.apply((made) => sshConfig(plan, made)));
    this.registerOutputs({ controllerAddress: this.controllerAddress, partitions: this.partitions });
  }

  private configure(
    name: string,
    plan: HpcClusterPlan,
    keys: pulumi.Output<ClusterKeys>,
    generations: KeyGenerations,
    controller: libvirt.Domain,
    computeNodes: (ready: pulumi.Resource) => libvirt.Domain[],
  ): remote.Command {
    const connection = controllerConnection(plan, keys);
    // A controller that is off cannot be told anything; what changed meanwhile it is told when it is on again.
    const silent = isOn(plan.controller) ? {} : { ignoreChanges: ["*"] };
    const opts = (dependsOn: pulumi.Resource[]) => ({ parent: this, dependsOn, ...silent });
    const secrets = installSecrets(
      name,
      connection,
      keys,
      generations,
      controller.generation,
      opts([controller]),
    );
    const before = configureSlurm(name, "before", plan, connection, keys, controller, opts([secrets]));
    const nodes = computeNodes(before);
    return configureSlurm(name, "after", plan, connection, keys, controller, opts([before, ...nodes]));
  }
}

function nodeOutputs(plan: HpcClusterPlan, verification: Verification): NodeOutput[] {
  const states = new Map(verification.nodes.map((node) => [node.name, node]));
  return [plan.controller, ...plan.computeNodes].map((node) => {
    // What was proved of a machine before it was switched off says nothing about it now.
    if (!isOn(node)) {
      return { name: node.name, role: node.role, address: node.address, state: "off" };
    }
    const seen = states.get(node.name);
    return {
      name: node.name,
      role: node.role,
      address: node.address,
      ...(seen === undefined ? {} : { state: seen.state }),
      ...(seen === undefined || seen.reason === "" ? {} : { reason: seen.reason }),
    };
  });
}

function knownHosts(plan: HpcClusterPlan, keys: HostKeySource): string {
  const { login: address, loginPort = 22 } = plan.ssh;
  const login = address === undefined ? "" : loginPort === 22 ? `,${address}` : `,[${address}]:${loginPort}`;
  return [plan.controller, ...plan.computeNodes]
    .flatMap((node) => {
      const names = `${node.name},${node.address}${node.role === "controller" ? login : ""}`;
      return acceptedHostKeys(keys, node.name).map((key) => `${names} ${key}\n`);
    })
    .join("");
}

/** What the machines are told of keys. Nothing where nothing was ever rotated: they are left as they are. */
function machineKeys(keys: pulumi.Output<ClusterKeys>, generations: KeyGenerations): MachineKeys {
  const { "ssh-host-keys": sshHostKeyGeneration, "user-keys": userKeys } = generations;
  return {
    ...(sshHostKeyGeneration === undefined ? {} : { sshHostKeyGeneration }),
    ...(userKeys === undefined ? {} : { loginPublicKey: pulumi.unsecret(keys.loginSshKey.publicKey) }),
  };
}

/** Whether a machine is there to be talked to: one that is declared off is not, nor one that somebody stopped for a time. */
function isOn({ domain, held }: NodePlan): boolean {
  return domain.running && held !== true;
}
