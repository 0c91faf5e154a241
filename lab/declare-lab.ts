import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import { HpcCluster, readKeyGenerations } from "../components/hpc-cluster/index.ts";
import { StackIdentity } from "../components/stack-identity/index.ts";
import {
  hasErrors,
  imageRequests,
  planLab,
  printFindings,
  readPowerDeclarations,
} from "../planning/index.ts";
import { ownedUuid } from "../providers/libvirt/ownership/index.ts";
import { cacheFolder, stateFolder } from "../tools/paths.ts";
import { passphraseIn } from "../tools/state/passphrase.ts";
import { endRun } from "./end-run.ts";
import { Decisions, known } from "./held.ts";
import { collectHostFacts } from "./host-facts.ts";
import { builtImages } from "./image-software.ts";
import { acceptedBuilds, imageFolder, resolveImages } from "./images.ts";
import { type Invoker, keptInvoker, readInvoker, rotatedInvoker } from "./invoker.ts";
import { kvmFact } from "./kvm.ts";
import { readLabFile } from "./read-lab-file.ts";
import { recoveryRecord } from "./recovery.ts";

const invokerSchema = z.object({ name: z.string(), sshKeys: z.array(z.string()) });
const keptKvm = z.union([
  z.object({ known: z.literal(true), value: z.boolean() }),
  z.object({ known: z.literal(false), why: z.string() }),
]);

/** Arguments of `declareLab`. */
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
  const now = readInvoker(stateFolder());
  const settings = new pulumi.Config("hyperlab");
  const keyGenerations = readKeyGenerations(settings.getObject<unknown>("keys"));
  const decisions = new Decisions();
  const invoker = await invokerOf(decisions, name, now, keyGenerations["user-keys"]);
  const probed = await kvmFact(uri, cache);
  const kept = await decisions.held(`${name}-kvm`, probed, (value) => keptKvm.parse(value));
  const kvm = kept.known ? kept : probed;
  const images = await resolveImages(decisions, name, imageRequests(config), cache);
  const identity = new StackIdentity(config.name);
  const owner = await known(identity.owner);
  const pool = `${name}-pool`;
  const host = await collectHostFacts({
    uri,
    owner,
    pool,
    poolUuid: ownedUuid(owner, poolUrn(pool)),
    kvm,
  });
  const power = readPowerDeclarations(
    settings.getObject<unknown>("power"),
    settings.getObject<unknown>("restarts"),
  );
  const builtBefore = await builtImages(name, imageFolder(cache));
  const facts = { invoker, host, images: images.facts, builtImages: builtBefore };
  const { plan, findings } = planLab(config, facts, { power });
  const told = printFindings(findings, args.file, loaded.locate);
  if (hasErrors(findings)) throw new Error(told);
  if (plan.hpc === undefined) throw new Error(`${args.file} declares no cluster.`);
  if (told !== "") await pulumi.log.info(told);
  const decided = { decisions: decisions.all, keyGenerations: { ...keyGenerations } };
  const record = recoveryRecord(identity, decided, passphraseIn(process.env));
  return new HpcCluster(name, {
    plan: plan.hpc,
    owner: identity.owner,
    secret: identity.secret,
    keyGenerations,
    ...(record === undefined ? {} : { recoveryRecord: record }),
    imageBuilds: acceptedBuilds(images, async (built) => {
      const again = planLab(config, { ...facts, images: built }, { power }).findings;
      if (hasErrors(again)) await endRun(printFindings(again, args.file, loaded.locate));
    }),
  });
}

/**
 * Who counts as the person who runs hyperlab.
 *
 * @param generation Of that person's keys; undefined where they were never rotated.
 */
async function invokerOf(
  decisions: Decisions,
  name: string,
  now: Invoker,
  generation: number | undefined,
): Promise<Invoker> {
  const first = await decisions.held(`${name}-invoker`, now, (kept) =>
    keptInvoker(invokerSchema.parse(kept), now),
  );
  if (generation === undefined) return first;
  const keys = await decisions.held(`${name}-invoker-keys-${generation}`, now.sshKeys, (kept) =>
    invokerSchema.shape.sshKeys.parse(kept),
  );
  return rotatedInvoker(first, keys, now);
}

/** URN of the cluster's pool: its UUID on the host is made from it. */
function poolUrn(pool: string): string {
  const type = "hyperlab:index:HpcCluster$libvirt:index:Pool";
  return `urn:pulumi:${pulumi.getStack()}::${pulumi.getProject()}::${type}::${pool}`;
}
