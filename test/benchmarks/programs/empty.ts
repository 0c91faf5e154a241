/** Floor: the same number of resources with the same inputs and nothing behind them. */
import * as pulumi from "@pulumi/pulumi";
import { readInput } from "./input.ts";

const { plan } = readInput();

// The SDK takes four stack traces for each property of each resource; a floor does without them.
Error.stackTraceLimit = 0;

class Empty extends pulumi.CustomResource {
  constructor(
    kind: "Shared" | "Domain",
    name: string,
    inputs: pulumi.Inputs,
    opts: pulumi.CustomResourceOptions,
  ) {
    super(`bench:index:${kind}`, name, inputs, opts);
  }
}

class BenchCluster extends pulumi.ComponentResource {
  constructor(name: string) {
    super("hyperlab:index:HpcCluster", name);
    const inCluster = { parent: this };
    const shared = ["pool", "image", "seed", "state", "network"].map(
      (kind) => new Empty("Shared", `${name}-${kind}`, {}, inCluster),
    );
    const [, image, seed, , network] = shared;
    const dependsOn = [image, seed, network].filter((resource) => resource !== undefined);
    for (const node of plan.computeNodes) {
      const inputs = { ...node.domain, disks: [seedDisk(node.seed)] };
      new Empty("Domain", node.name, inputs, { ...inCluster, dependsOn });
    }
  }
}

/** As long as the one that a machine gets. */
const seedDisk = (seed: string) => ({
  pool: plan.pool.name,
  volume: `${seed}-0123456789ab.iso`,
  target: "vdz",
  readOnly: true,
});

new BenchCluster(plan.name);
