import type { HpcConfig } from "../../config/model.ts";
import type { ImageSoftware, Known, LabFacts } from "../facts.ts";
import { computePath, type Findings, HPC } from "../findings.ts";
import { BASE } from "../images.ts";
import type { HpcClusterPlan, NodePlan } from "../plan.ts";
import { judgeMariadbChange, judgeSlurmBesideController, judgeSlurmChange, type Objection } from "./judge.ts";

/** A machine with what its root disk holds now and what it will hold. */
interface Machine {
  readonly node: NodePlan;
  /** Undefined where it has no root disk yet. */
  readonly before?: Known<ImageSoftware>;
  readonly after: Known<ImageSoftware>;
  /** It gets a root disk of another image. */
  readonly rebuilt: boolean;
}

/**
 * Compares SLURM and MariaDB of the images in use with those to come. What a step between releases would break is an
 * error; what cannot be compared is unknown. Machines with the same change share a finding.
 */
export function checkSoftware(
  config: HpcConfig,
  plan: Pick<HpcClusterPlan, "controller" | "computeNodes" | "images">,
  facts: LabFacts,
  findings: Findings,
): void {
  const volumes = new Map(plan.images.map((image) => [image.key, image.volume]));
  const { domains } = facts.host;
  const own = domains.known ? domains.value.filter((domain) => domain.owned) : [];
  const rootImages = new Map(own.map((domain) => [domain.name, domain.rootImage]));
  const machineOf = (node: NodePlan) =>
    machine(node, rootImages.get(node.name), volumes.get(node.image), facts);
  const controller = machineOf(plan.controller);
  const machines = [controller, ...plan.computeNodes.map(machineOf)];
  if (!machines.some((candidate) => candidate.rebuilt || candidate.before === undefined)) return;
  const grouped = new Map<string, { objection: Objection; path: string; names: string[] }>();
  for (const candidate of machines) {
    for (const objection of objections(candidate, controller)) {
      const path = imagePathOf(config, candidate.node);
      const group = `${path}\0${objection.id}\0${objection.text}`;
      const found = grouped.get(group) ?? { objection, path, names: [] };
      grouped.set(group, { ...found, names: [...found.names, candidate.node.name] });
    }
  }
  for (const { objection, path, names } of grouped.values()) {
    findings[objection.severity](objection.id, path, `${subject(names)} ${objection.text}`, objection.remedy);
  }
}

const subject = (names: readonly string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;

function machine(
  node: NodePlan,
  rootImage: string | undefined,
  volume: string | undefined,
  facts: LabFacts,
): Machine {
  const after = facts.images[node.image]?.software ?? {
    known: false,
    why: "nobody looked into its new image",
  };
  if (rootImage === undefined) return { node, after, rebuilt: false };
  const built = facts.builtImages?.[rootImage];
  const rebuilt = rootImage !== volume;
  if (!rebuilt && built === undefined) return { node, before: after, after, rebuilt };
  const before: Known<ImageSoftware> =
    built === undefined
      ? { known: false, why: `its image ${rootImage} was not built on this machine` }
      : { known: true, value: built };
  return { node, before, after, rebuilt };
}

function objections(candidate: Machine, controller: Machine): Objection[] {
  const found = (candidate.rebuilt ? changes(candidate) : []).filter((objection) => objection !== undefined);
  // What its own change forbids need not be said of it a second time.
  if (candidate === controller || found.some(({ severity }) => severity === "error")) return found;
  return [
    ...found,
    ...besideController(candidate, controller).filter((objection) => objection !== undefined),
  ];
}

function changes({ node, before, after }: Machine): (Objection | undefined)[] {
  if (before === undefined) return [];
  if (!before.known || !after.known) {
    const why = [before, after].flatMap((side) => (side.known ? [] : [side.why]));
    return [unchecked(why.join("; "))];
  }
  const [was, is] = [before.value, after.value];
  return [
    both(was.slurm, is.slurm, judgeSlurmChange),
    node.role === "controller" ? both(was.mariadb, is.mariadb, judgeMariadbChange) : undefined,
  ];
}

/** The controller is rebuilt first: until its turn a node serves under it with the release that it has. */
function besideController(candidate: Machine, controller: Machine): (Objection | undefined)[] {
  const { after } = controller;
  if (!after.known) return [];
  const sides = candidate.rebuilt ? [candidate.before, candidate.after] : [candidate.after];
  const versions = sides.flatMap((side) => (side?.known === true ? (side.value.slurm ?? []) : []));
  return [...new Set(versions)].map((version) =>
    both(after.value.slurm, version, judgeSlurmBesideController),
  );
}

function both(
  before: string | undefined,
  after: string | undefined,
  judge: (before: string, after: string) => Objection | undefined,
): Objection | undefined {
  return before === undefined || after === undefined ? undefined : judge(before, after);
}

function unchecked(why: string): Objection {
  return {
    id: "image-software-unknown",
    severity: "unknown",
    text: `gets another image, and whether SLURM and MariaDB may change like that is not known: ${why}`,
    remedy:
      "Make sure that neither goes back to an older release, and that SLURM skips none that it needs between.",
  };
}

function imagePathOf(config: HpcConfig, node: NodePlan): string {
  if (node.image === BASE) return `${HPC}.image`;
  const place =
    node.role === "controller" ? `${HPC}.controller` : computePath(config.computeNodes.form, node.number);
  return `${place}.base_image_path`;
}
