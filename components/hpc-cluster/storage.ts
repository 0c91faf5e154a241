import { createHash } from "node:crypto";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { local } from "@pulumi/command";
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import { renderSeed } from "../../planning/cloud-init/index.ts";
import type { HpcClusterPlan, ImagePlan, SeedPlan } from "../../planning/plan.ts";
import type { ImageBuild } from "./args.ts";

/** Volumes that outlive a machine or that several machines share. */
export interface ClusterStorage {
  readonly pool: libvirt.Pool;
  /** By the plan's image key. */
  readonly images: ReadonlyMap<string, libvirt.Volume>;
  /** The disk with the guest software; only where a machine's image lacks it. */
  readonly guestSoftware?: libvirt.Volume;
  /** By the plan's seed name. */
  readonly seeds: ReadonlyMap<string, libvirt.Volume>;
  readonly state: libvirt.Volume;
}

/** Public keys that a seed carries. */
export interface SeedKeys {
  readonly loginPublicKey: pulumi.Output<string>;
  readonly clusterPublicKey: pulumi.Output<string>;
}

/** Pool, images, guest software, seeds and the state volume of a cluster. */
export function createStorage(
  name: string,
  plan: HpcClusterPlan,
  builds: Readonly<Record<string, ImageBuild>>,
  keys: SeedKeys,
  opts: pulumi.CustomResourceOptions,
): ClusterStorage {
  const pool = new libvirt.Pool(`${name}-pool`, plan.pool, opts);
  const inPool = pulumi.mergeOptions(opts, { dependsOn: [pool] });
  const fromFile = (key: string, file: Pick<ImagePlan, "volume" | "source">): libvirt.Volume => {
    const build = builds[key];
    const built = build === undefined ? undefined : buildImage(`${name}-${key}-build`, build, opts);
    return new libvirt.Volume(
      `${name}-${key}`,
      { name: file.volume, pool: plan.pool.name, source: accepted(file.source, build, built) },
      pulumi.mergeOptions(inPool, { dependsOn: built === undefined ? [] : [built] }),
    );
  };
  const images = plan.images.map((image): [string, libvirt.Volume] => [
    image.key,
    fromFile(image.key, image),
  ]);
  const seeds = plan.seeds.map((seed): [string, libvirt.Volume] => [
    seed.name,
    createSeed(seed, plan, keys, inPool),
  ]);
  const state = new libvirt.Volume(
    `${name}-state`,
    plan.stateVolume.inputs,
    pulumi.mergeOptions(inPool, { protect: plan.stateVolume.protect }),
  );
  const guest =
    plan.guestSoftware === undefined ? {} : { guestSoftware: fromFile("guest", plan.guestSoftware) };
  return { pool, images: new Map(images), ...guest, seeds: new Map(seeds), state };
}

/** The file, once it was built and accepted. A preview builds nothing and knows the file all the same. */
function accepted(
  source: ImagePlan["source"],
  build: ImageBuild | undefined,
  built: local.Command | undefined,
): pulumi.Input<ImagePlan["source"]> {
  const accept = build?.accept;
  if (accept === undefined || built === undefined || pulumi.runtime.isDryRun()) return source;
  return built.stdout.apply(async () => {
    await accept();
    return source;
  });
}

/** The build is keyed by the image's identity; a file that exists is left as it is. */
function buildImage(name: string, build: ImageBuild, opts: pulumi.CustomResourceOptions): local.Command {
  const program = relative(process.cwd(), fileURLToPath(new URL("../../images/main.js", import.meta.url)));
  const command = ["node", program, ...build.arguments].map(quote).join(" ");
  return new local.Command(
    name,
    {
      create: command,
      update: command,
      ...(build.stdin === undefined ? {} : { stdin: build.stdin }),
      triggers: [build.identity],
      logging: local.Logging.Stderr,
      addPreviousOutputInEnv: false,
    },
    { ...(opts.parent === undefined ? {} : { parent: opts.parent }) },
  );
}

/** One word for the shell. */
function quote(word: string): string {
  return /^[A-Za-z0-9_./:=@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function createSeed(
  seed: SeedPlan,
  plan: HpcClusterPlan,
  keys: SeedKeys,
  opts: pulumi.CustomResourceOptions,
): libvirt.Volume {
  const content = pulumi
    .all([keys.loginPublicKey, keys.clusterPublicKey])
    .apply(([loginPublicKey, clusterPublicKey]) =>
      renderSeed(plan, seed, { loginPublicKey, clusterPublicKey }),
    );
  return new libvirt.Volume(
    seed.name,
    {
      // The digest in the name lets a new seed stand beside the old one, which running machines still hold.
      name: content.apply((made) => `${seed.name}-${digest(JSON.stringify(made))}.iso`),
      pool: plan.pool.name,
      seed: content,
    },
    opts,
  );
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
