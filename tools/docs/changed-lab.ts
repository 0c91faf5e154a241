/** What a change of the example's cluster file means for each machine, from planner and provider, without a host. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import { type LabConfig, loadLabFile } from "../../config/index.ts";
import { renderSeed } from "../../planning/cloud-init/index.ts";
import {
  controllerDocument,
  type HpcClusterPlan,
  hasErrors,
  type ImageFact,
  imageRequests,
  type LabFacts,
  type NodePlan,
  planLab,
  unknownHost,
} from "../../planning/index.ts";
import { recordedFacts } from "../../providers/libvirt/resources/domain/plan/facts.ts";
import { createLine, deleteLine } from "../../providers/libvirt/resources/domain/plan/line.ts";
import { planDomain } from "../../providers/libvirt/resources/domain/plan/plan.ts";
import type { PropertyMap } from "../../providers/plugin/index.ts";
import { projectRoot } from "../paths.ts";
import type { EngineEvent, ResourceStep } from "../report/engine-events.ts";

/** The plan of the example, with YAML merged into `clusters.hpc`. */
export function examplePlan(change = ""): HpcClusterPlan {
  const document = parseDocument(readFileSync(join(projectRoot(), "examples", "dev.yaml"), "utf8"));
  merge(document, ["clusters", "hpc"], parseDocument(change).toJS());
  const loaded = loadLabFile(String(document), "dev.yaml");
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { plan, findings } = planLab(loaded.config, factsFor(loaded.config));
  if (plan.hpc === undefined || hasErrors(findings)) throw new Error(JSON.stringify(findings));
  return plan.hpc;
}

/** Fixed facts: a host of which nothing but KVM is known, and an image for each recipe. */
function factsFor(config: LabConfig): LabFacts {
  const images = imageRequests(config).map((request): [string, ImageFact] => [
    request.key,
    {
      path: `/cache/${request.key}.qcow2`,
      identity: { id: digest(JSON.stringify(request)) },
      format: { known: true, value: "qcow2" },
      virtualSizeMiB: { known: true, value: 4096 },
    },
  ]);
  return {
    invoker: { name: "ada", sshKeys: ["ssh-ed25519 AAAAC3Nz ada@example"] },
    host: { ...unknownHost("nobody looked"), kvm: { known: true, value: true } },
    images: Object.fromEntries(images),
  };
}

function merge(document: ReturnType<typeof parseDocument>, path: string[], value: unknown): void {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    for (const [key, member] of Object.entries(value)) merge(document, [...path, key], member);
  } else if (value !== null && value !== undefined) document.setIn(path, document.createNode(value));
}

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12);

/** The inputs of a machine's resource: those of the plan, and its seed, whose volume is named by its content. */
function inputsOf(plan: HpcClusterPlan, node: NodePlan): PropertyMap {
  const seed = plan.seeds.find((candidate) => candidate.name === node.seed);
  if (seed === undefined) throw new Error(`${node.name} has no seed`);
  const content = renderSeed(plan, seed, { loginPublicKey: "login", clusterPublicKey: "cluster" });
  const volume = `${node.seed}-${digest(JSON.stringify(content))}`;
  const disks = [...node.domain.disks, { pool: plan.pool.name, volume, target: "vdz", readOnly: true }];
  return JSON.parse(JSON.stringify({ ...node.domain, disks }));
}

/** The engine's events of a preview of the machines: its steps, and the provider's line for each. */
export function previewEvents(before: HpcClusterPlan, after: HpcClusterPlan): EngineEvent[] {
  const nodes = (plan: HpcClusterPlan) => [plan.controller, ...plan.computeNodes];
  const names = new Set([...nodes(before), ...nodes(after)].map((node) => node.name));
  return [...names].flatMap((name) => {
    const [old, now] = [before, after].map((plan) => {
      const node = nodes(plan).find((candidate) => candidate.name === name);
      return node === undefined ? undefined : inputsOf(plan, node);
    });
    if (old === undefined) return eventsOf(name, "create", createLine(now ?? {}));
    const facts = recordedFacts({ quiesceHook: true }, old);
    if (now === undefined) return eventsOf(name, "delete", deleteLine(old, facts));
    const plan = planDomain(old, now, facts);
    const idle = plan.action === "nothing" || plan.action === "record";
    return eventsOf(name, idle ? "same" : "update", plan.line);
  });
}

function eventsOf(name: string, operation: ResourceStep["operation"], text: string): EngineEvent[] {
  const type = "libvirt:index:Domain";
  const urn = `urn:pulumi:dev::hyperlab::${type}::${name}`;
  const step = { operation, urn, type, name, custom: true, changed: [], protect: false, records: false };
  return [
    { kind: "start", step, atMs: 0 },
    { kind: "message", severity: "info", text, urn, ephemeral: false },
  ];
}

/** What SLURM and the users get; it differs where a change reaches them. */
export const documentOf = (plan: HpcClusterPlan): unknown => controllerDocument(plan, () => "key");
