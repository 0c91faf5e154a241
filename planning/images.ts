import type { HpcConfig, ImageConfig, LabConfig, NodeSizeConfig } from "../config/model.ts";
import type { ImageFact, ImageRequest } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import { byText, digest } from "./names.ts";
import type { ImagePlan } from "./plan.ts";

/** Key of the cluster's own image. */
export const BASE = "base";

/** Key of the image of a node. The key of a node's own image depends on its path alone, so that no other moves it. */
export function imageKey(config: HpcConfig, node: NodeSizeConfig): string {
  const { source } = config.image;
  if (node.baseImagePath === undefined) return BASE;
  if (source.kind === "file" && source.path === node.baseImagePath) return BASE;
  return `image-${digest(node.baseImagePath, 8)}`;
}

/** The images that a configuration needs, ordered by key. The edge resolves each to an `ImageFact` before planning. */
export function imageRequests(config: LabConfig): ImageRequest[] {
  const { hpc } = config;
  if (hpc === undefined) return [];
  const requests = new Map<string, ImageRequest>();
  for (const node of [hpc.controller, ...hpc.computeNodes.nodes]) {
    const key = imageKey(hpc, node);
    if (requests.has(key)) continue;
    const own = key === BASE ? undefined : node.baseImagePath;
    requests.set(key, own === undefined ? baseRequest(hpc.image) : { key, kind: "file", path: own });
  }
  return [...requests.values()].sort((a, b) => byText(a.key, b.key));
}

function baseRequest(image: ImageConfig): ImageRequest {
  const { source } = image;
  switch (source.kind) {
    case "golden":
      return {
        key: BASE,
        kind: "golden",
        packages: [...new Set(image.packages)].sort(byText),
        files: [...image.files].sort((a, b) => byText(a.path, b.path)),
        revision: image.revision,
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

/** What changes when a machine of the image gets a new root disk. */
export function generationOf(config: HpcConfig, fact: ImageFact | undefined): string {
  if (fact === undefined) return "unresolved";
  const identity = "id" in fact.identity ? fact.identity.id : fact.identity.sha256;
  // On a user's cloud image packages, files and revision arrive by the seed at first boot: they make a new instance.
  const { source, packages, files, revision } = config.image;
  if (source.kind === "golden") return identity;
  const extra = packages.length === 0 && files.length === 0 && revision === 1;
  return extra ? identity : `${identity} ${digest(JSON.stringify([packages, files, revision]))}`;
}

/** Volumes of the images, with the checks of their files. */
export function planImages(
  config: HpcConfig,
  facts: Readonly<Record<string, ImageFact>>,
  findings: Findings,
): ImagePlan[] {
  const requests = imageRequests({ name: "", description: "", hpc: config });
  return requests.flatMap((request) => {
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
    const golden = request.kind === "golden";
    const volume = `${config.name}-${request.key}-${volumeTag(fact)}.qcow2`;
    return [{ key: request.key, volume, source: { path: fact.path, ...fact.identity }, golden }];
  });
}

function volumeTag(fact: ImageFact): string {
  return "sha256" in fact.identity ? fact.identity.sha256.slice(0, 12) : digest(fact.identity.id);
}

function pathOf(config: HpcConfig, request: ImageRequest): string {
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
  request: ImageRequest,
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
