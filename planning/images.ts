import type { HpcConfig, ImageConfig, LabConfig, NodeSizeConfig } from "../config/model.ts";
import type { ImageFact, ImageRequest } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { byText, digest } from "./names.ts";
import type { GuestSoftwarePlan, ImagePlan } from "./plan.ts";

/** Key of the cluster's own image. */
export const BASE = "base";

/** Key of the disk with the guest software for cloud images. */
export const GUEST = "guest";

type MachineImage = Exclude<ImageRequest, { kind: "guest" }>;

/** Key of the image of a node. The key of a node's own image depends on its path alone, so that no other moves it. */
export function imageKey(config: HpcConfig, node: NodeSizeConfig): string {
  const { source } = config.image;
  if (node.baseImagePath === undefined) return BASE;
  if (source.kind === "file" && source.path === node.baseImagePath) return BASE;
  return `image-${digest(node.baseImagePath, 8)}`;
}

/**
 * The images that a configuration needs, and the guest software where one of them lacks it, ordered by key. The edge
 * resolves each to an `ImageFact` before planning.
 */
export function imageRequests(config: LabConfig): ImageRequest[] {
  const { hpc } = config;
  if (hpc === undefined) return [];
  const images = machineImages(hpc);
  if (images.every((image) => image.kind === "golden")) return images;
  return [...images, { key: GUEST, kind: "guest" as const, ...additions(hpc.image) }].sort(byKey);
}

const byKey = (a: ImageRequest, b: ImageRequest) => byText(a.key, b.key);

function machineImages(hpc: HpcConfig): MachineImage[] {
  const requests = new Map<string, MachineImage>();
  for (const node of [hpc.controller, ...hpc.computeNodes.nodes]) {
    const key = imageKey(hpc, node);
    if (requests.has(key)) continue;
    const own = key === BASE ? undefined : node.baseImagePath;
    requests.set(key, own === undefined ? baseRequest(hpc.image) : { key, kind: "file", path: own });
  }
  return [...requests.values()].sort(byKey);
}

/** What the cluster file adds to an image, in an order that does not matter in the file. */
function additions(image: ImageConfig) {
  return {
    packages: [...new Set(image.packages)].sort(byText),
    files: [...image.files].sort((a, b) => byText(a.path, b.path)),
    revision: image.revision,
  };
}

function baseRequest(image: ImageConfig): MachineImage {
  const { source } = image;
  switch (source.kind) {
    case "golden":
      return {
        key: BASE,
        kind: "golden",
        ...additions(image),
        ...(image.snapshot === undefined ? {} : { snapshot: image.snapshot }),
      };
    case "file":
      return {
        key: BASE,
        kind: "file",
        path: source.path,
        ...(source.sha256 === undefined ? {} : { sha256: source.sha256 }),
      };
    case "url":
      return { key: BASE, kind: "url", url: source.url, sha256: source.sha256 };
    default: {
      const never: never = source;
      return never;
    }
  }
}

/** Whether the image of that key is built by hyperlab and has the guest software. */
const isGolden = (config: HpcConfig, key: string): boolean =>
  key === BASE && config.image.source.kind === "golden";

/** What changes when a machine of the image gets a new root disk. */
export function generationOf(
  config: HpcConfig,
  key: string,
  facts: Readonly<Record<string, ImageFact>>,
): string {
  const identity = identityOf(facts[key]);
  if (isGolden(config, key)) return identity;
  // To a cloud image the guest software, packages and files come at first boot: others make a new instance.
  const { packages, files, revision } = additions(config.image);
  return `${identity} ${digest(JSON.stringify([identityOf(facts[GUEST]), packages, files, revision]))}`;
}

function identityOf(fact: ImageFact | undefined): string {
  if (fact === undefined) return "unresolved";
  return "id" in fact.identity ? fact.identity.id : fact.identity.sha256;
}

/** Volumes of the images, with the checks of their files. */
export function planImages(
  config: HpcConfig,
  facts: Readonly<Record<string, ImageFact>>,
  findings: Findings,
): ImagePlan[] {
  return machineImages(config).flatMap((request) => {
    const path = pathOf(config, request);
    const fact = facts[request.key];
    if (fact === undefined) {
      findings.error(
        "image-unresolved",
        path,
        `the ${request.kind} image could not be resolved`,
        "Look at the message of the step that fetches or builds it.",
      );
      return [];
    }
    checkImage(config, request, fact, path, findings);
    const golden = isGolden(config, request.key);
    const volume = imageVolume(config.name, request.key, fact.identity);
    return [{ key: request.key, volume, source: { path: fact.path, ...fact.identity }, golden }];
  });
}

/** The disk with the guest software, where a machine's image lacks it. */
export function planGuestSoftware(
  config: HpcConfig,
  facts: Readonly<Record<string, ImageFact>>,
  findings: Findings,
): GuestSoftwarePlan | undefined {
  const request = imageRequests({ name: "", description: "", hpc: config }).find(
    ({ kind }) => kind === "guest",
  );
  if (request === undefined) return undefined;
  const fact = facts[GUEST];
  if (fact === undefined) {
    const text = "the guest software for cloud images could not be resolved";
    findings.error("guest-software-unresolved", `${HPC}.image`, text, "Install hyperlab again.");
    return undefined;
  }
  checkMirror(config, findings);
  return {
    volume: `${config.name}-${GUEST}-${volumeTag(fact.identity)}.iso`,
    source: { path: fact.path, ...fact.identity },
  };
}

/** A cloud image installs packages at its first boot. */
function checkMirror(config: HpcConfig, findings: Findings): void {
  if (config.network.mode !== "isolated") return;
  findings.warning(
    "cloud-image-isolated",
    `${HPC}.network.mode`,
    "a cloud image installs what it lacks from a package mirror, which an isolated network does not reach outside",
    "Serve a mirror on the host and name it in image.files (docs/own-image.md), or use the image that hyperlab builds.",
  );
}

/** Volume of an image in the cluster's pool. The identity in its name lets old and new image stand side by side. */
export function imageVolume(cluster: string, key: string, identity: ImageFact["identity"]): string {
  return `${cluster}-${key}-${volumeTag(identity)}.qcow2`;
}

function volumeTag(identity: ImageFact["identity"]): string {
  return "sha256" in identity ? identity.sha256.slice(0, 12) : digest(identity.id);
}

function pathOf(config: HpcConfig, request: MachineImage): string {
  if (request.key !== BASE) {
    const index = config.computeNodes.nodes.findIndex((node) => imageKey(config, node) === request.key);
    const node = config.computeNodes.nodes[index];
    if (node === undefined) return `${HPC}.controller.base_image_path`;
    const place = config.computeNodes.form === "array" ? `[${node.number - 1}]` : "";
    return `${HPC}.compute_nodes${place}.base_image_path`;
  }
  return request.kind === "url" ? `${HPC}.image.url` : `${HPC}.image`;
}

function checkImage(
  config: HpcConfig,
  request: MachineImage,
  fact: ImageFact,
  path: string,
  findings: Findings,
): void {
  if (request.kind !== "golden") checkFormat(fact, path, findings);
  const size = fact.virtualSizeMiB;
  if (!size.known) {
    findings.unknown(
      "image-size-unknown",
      path,
      `the size of ${fact.path} is not known: ${size.why}`,
      "disk_gb is checked when the machine is created.",
    );
    return;
  }
  const users = [config.controller, ...config.computeNodes.nodes].filter(
    (node) => imageKey(config, node) === request.key,
  );
  const smallest = Math.min(...users.map((node) => node.diskGb));
  if (smallest * 1024 < size.value) {
    findings.error(
      "disk-below-image",
      path,
      `disk_gb ${smallest} is less than the image's ${Math.ceil(size.value / 1024)} GB`,
      `Set disk_gb to at least ${Math.ceil(size.value / 1024)} on every machine of this image.`,
    );
  }
}

function checkFormat(fact: ImageFact, path: string, findings: Findings): void {
  const { format } = fact;
  if (!format.known) {
    const text = `whether ${fact.path} is a qcow2 image is not known: ${format.why}`;
    findings.unknown("image-format-unknown", path, text, "It is checked when the volume is created.");
  } else if (format.value === "missing") {
    findings.error(
      "image-missing",
      path,
      `there is no file ${fact.path}`,
      "Put the image there or change the path.",
    );
  } else if (format.value !== "qcow2") {
    const text = `${fact.path} is not a qcow2 image (found by content: ${format.value})`;
    findings.error(
      "image-not-qcow2",
      path,
      text,
      `Convert it: qemu-img convert -O qcow2 ${fact.path} NEW.qcow2`,
    );
  }
}
