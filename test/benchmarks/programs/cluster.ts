/** Program under measurement: what HpcCluster declares for its compute nodes, without controller and commands. */
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import { createMachine, createNetwork } from "../../../components/hpc-cluster/machines.ts";
import { createStorage } from "../../../components/hpc-cluster/storage.ts";
import { readInput } from "./input.ts";

const { plan, provider } = readInput();

class BenchCluster extends pulumi.ComponentResource {
  constructor(name: string) {
    super("hyperlab:index:HpcCluster", name);
    const host = new libvirt.Provider(`${name}-host`, provider, { parent: this });
    const onHost = { parent: this, provider: host };
    const key = pulumi.output(`ssh-ed25519 ${"A".repeat(68)}`);
    const storage = createStorage(name, plan, {}, { loginPublicKey: key, clusterPublicKey: key }, onHost);
    const network = createNetwork(name, plan, onHost);
    const attached = { ...onHost, dependsOn: network === undefined ? [] : [network] };
    for (const node of plan.computeNodes) createMachine(node, storage, {}, attached);
  }
}

new BenchCluster(plan.name);
