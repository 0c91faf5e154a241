import { remote, type types } from "@pulumi/command";
import type * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import { controllerDocument } from "../../planning/controller-document.ts";
import type { HpcClusterPlan } from "../../planning/plan.ts";
import { withMeasuredBoot } from "../../planning/slurm/timing.ts";
import type { Verification } from "./args.ts";
import type { KeyGenerations } from "./key-generations.ts";
import { type ClusterKeys, hostPublicKey } from "./keys.ts";

/** How the commands reach the controller. */
export function controllerConnection(
  plan: HpcClusterPlan,
  keys: pulumi.Output<ClusterKeys>,
): pulumi.Input<types.input.remote.ConnectionArgs> {
  const proxy = plan.ssh.proxyJump === undefined ? {} : { proxy: jump(plan.ssh.proxyJump) };
  return {
    host: plan.controller.address,
    user: plan.ssh.user,
    privateKey: pulumi.secret(keys.apply((made) => made.loginSshKey.privateKey)),
    hostKey: controllerHostKey(plan, keys),
    dialErrorLimit: 30,
    ...proxy,
  };
}

/** Public host key of the controller. */
export function controllerHostKey(
  plan: HpcClusterPlan,
  keys: pulumi.Output<ClusterKeys>,
): pulumi.Output<string> {
  return pulumi.unsecret(keys.apply((made) => hostPublicKey(made, plan.controller.name)));
}

/** Keys and passwords, to the controller's standard input. Runs again on a new controller disk. */
export function installSecrets(
  name: string,
  connection: pulumi.Input<types.input.remote.ConnectionArgs>,
  keys: pulumi.Output<ClusterKeys>,
  generations: KeyGenerations,
  generation: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): remote.Command {
  // A controller with programs that would switch keys at once, under the jobs that run, knows only the first format.
  const { "db-password": password = 1, "slurm-key": slurmKey = 1 } = generations;
  const rotated = Math.max(password, slurmKey) > 1;
  const document = keys.apply((made) =>
    JSON.stringify({
      format: rotated ? 2 : 1,
      slurmJwks: made.slurmJwks,
      databasePassword: made.databasePassword,
      clusterSshKey: made.clusterSshKey.privateKey,
    }),
  );
  return controllerCommand(
    `${name}-secrets`,
    "secrets",
    connection,
    pulumi.secret(document),
    generation,
    opts,
  );
}

/**
 * Prepares SLURM for the machine changes that follow (`before`) or finishes and verifies them (`after`). The time-outs
 * follow the controller's first boot, which is over by then.
 */
export function configureSlurm(
  name: string,
  phase: "before" | "after",
  plan: HpcClusterPlan,
  connection: pulumi.Input<types.input.remote.ConnectionArgs>,
  keys: pulumi.Output<ClusterKeys>,
  controller: Pick<libvirt.Domain, "generation" | "bootSeconds">,
  opts: pulumi.CustomResourceOptions,
): remote.Command {
  const document = pulumi.unsecret(
    pulumi.all([keys, controller.bootSeconds]).apply(([made, seconds]) => {
      const measured = withMeasuredBoot(plan, seconds ?? 0);
      const hostKey = (machine: string) => hostPublicKey(made, machine);
      return JSON.stringify(controllerDocument(measured, hostKey));
    }),
  );
  return controllerCommand(
    `${name}-slurm-${phase}`,
    phase,
    connection,
    document,
    controller.generation,
    opts,
  );
}

function controllerCommand(
  name: string,
  verb: "secrets" | "before" | "after",
  connection: pulumi.Input<types.input.remote.ConnectionArgs>,
  stdin: pulumi.Input<string>,
  generation: pulumi.Output<string>,
  opts: pulumi.CustomResourceOptions,
): remote.Command {
  const command = `sudo /usr/lib/hyperlab/controller ${verb}`;
  return new remote.Command(
    name,
    {
      connection,
      create: command,
      update: command,
      stdin,
      triggers: [generation],
      logging: remote.Logging.Stderr,
      addPreviousOutputInEnv: false,
    },
    opts,
  );
}

/** Reads the line that `after` prints. */
export function parseVerification(line: string): Verification {
  const found: unknown = JSON.parse(line);
  if (typeof found !== "object" || found === null || !("nodes" in found) || !Array.isArray(found.nodes)) {
    throw new Error(`The controller's verification is not of the expected form: ${line.slice(0, 200)}`);
  }
  const nodes = found.nodes.map((node: unknown) => {
    const fields = new Map(Object.entries(typeof node === "object" && node !== null ? node : {}));
    return {
      name: String(fields.get("name") ?? ""),
      state: String(fields.get("state") ?? "UNKNOWN"),
      reason: String(fields.get("reason") ?? ""),
    };
  });
  return { nodes, job: "job" in found ? String(found.job ?? "") : "" };
}

function jump(proxyJump: string): { host: string; user?: string; port?: number } {
  const match = /^(?:([^@]+)@)?([^:]+)(?::(\d+))?$/.exec(proxyJump);
  if (match?.[2] === undefined) {
    throw new Error(`The jump host ${JSON.stringify(proxyJump)} is not USER@HOST[:PORT].`);
  }
  return {
    host: match[2],
    ...(match[1] === undefined ? {} : { user: match[1] }),
    ...(match[3] === undefined ? {} : { port: Number(match[3]) }),
  };
}
