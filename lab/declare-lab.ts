import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { HpcCluster } from "../components/hpc-cluster/index.ts";
import { StackIdentity } from "../components/stack-identity/index.ts";
import { hasErrors, imageRequests, planLab, printFindings, unknownHost } from "../planning/index.ts";
import { cacheFolder, stateFolder } from "../tools/paths.ts";
import { held } from "./held.ts";
import { resolveImages } from "./images.ts";
import { readInvoker } from "./invoker.ts";
import { kvmFact } from "./kvm.ts";
import { readLabFile } from "./read-lab-file.ts";

const keptInvoker = z.object({ name: z.string(), sshKeys: z.array(z.string()) });
const keptKvm = z.union([
  z.object({ known: z.literal(true), value: z.boolean() }),
  z.object({ known: z.literal(false), why: z.string() }),
]);

export interface LabArgs {
  /** Cluster file; relative to the folder of the Pulumi project. */
  readonly file: string;
}

/** Outputs of the stack. */
export type LabOutputs = Pick<
  HpcCluster,
  "controllerAddress" | "nodes" | "partitions" | "sshCommand" | "sshConfig" | "knownHosts" | "verification"
>;

/**
 * Declares the lab of a cluster file: reads it, collects the facts, plans, and creates the components.
 *
 * @throws Error with every problem of the file or every finding that forbids to go on.
 */
export async function declareLab(args: LabArgs): Promise<LabOutputs> {
  const loaded = readLabFile(args.file);
  const { config } = loaded;
  if (config.hpc === undefined) throw new Error(`${args.file} declares no cluster.`);
  const name = config.hpc.name;
  const cache = cacheFolder();
  const uri = config.hpc.host.uri;
  const invoker = await held(`${name}-invoker`, readInvoker(stateFolder()), (kept) =>
    keptInvoker.parse(kept),
  );
  const probed = await kvmFact(uri, cache);
  const kept = await held(`${name}-kvm`, probed, (value) => keptKvm.parse(value));
  const kvm = kept.known ? kept : probed;
  const images = await resolveImages(name, imageRequests(config), cache);
  const host = { ...unknownHost("host facts are not collected"), kvm };
  const { plan, findings } = planLab(config, { invoker, host, images: images.facts });
  const told = printFindings(findings, args.file, loaded.locate);
  if (hasErrors(findings)) throw new Error(told);
  if (plan.hpc === undefined) throw new Error(`${args.file} declares no cluster.`);
  if (told !== "") await pulumi.log.info(told);
  const identity = new StackIdentity(config.name);
  return new HpcCluster(name, {
    plan: plan.hpc,
    owner: identity.owner,
    secret: identity.secret,
    imageBuilds: images.builds,
  });
}
