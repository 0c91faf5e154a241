import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { StateLayout } from "./layout.ts";

/** What is read of a stack's state without asking the engine. */
export interface CheckpointSummary {
  exists: boolean;
  resources: { urn: string; type: string; protect: boolean }[];
  /** libvirt URIs of the hosts that the resources are on. */
  hosts: string[];
  /** Operations that were under way when the engine was killed. */
  pending: { urn: string; type: string }[];
}

const deploymentIn = (content: unknown): unknown =>
  field(field(content, "checkpoint") ?? content, "latest") ?? field(content, "deployment");

/** The resources of a deployment as they are recorded, with inputs and outputs. */
export const recordedResources = (content: unknown): unknown[] =>
  list(field(deploymentIn(content), "resources"));

/** Reads a deployment as `pulumi stack export` prints it and as the file backend stores it. */
export function parseDeployment(content: unknown): Omit<CheckpointSummary, "exists"> {
  const deployment = deploymentIn(content);
  const resources = list(field(deployment, "resources")).flatMap((resource) => {
    const urn = text(field(resource, "urn"));
    if (urn === undefined) return [];
    return [{ urn, type: text(field(resource, "type")) ?? "", protect: field(resource, "protect") === true }];
  });
  const hosts = list(field(deployment, "resources")).flatMap((resource) =>
    field(resource, "type") === "pulumi:providers:libvirt"
      ? (text(field(field(resource, "inputs"), "uri")) ?? [])
      : [],
  );
  const pending = list(field(deployment, "pending_operations")).flatMap((operation) => {
    const urn = text(field(field(operation, "resource"), "urn"));
    return urn === undefined ? [] : [{ urn, type: text(field(operation, "type")) ?? "" }];
  });
  return { resources, hosts: [...new Set(hosts)], pending };
}

/** File in which a file backend keeps the stack's state; undefined for another backend. */
export function checkpointFile(layout: StateLayout): string | undefined {
  if (layout.backendFolder === undefined) return undefined;
  return join(layout.backendFolder, ".pulumi", "stacks", layout.project, `${layout.stack}.json`);
}

/** Whether a file backend has no other stack of the project; false for another backend, which may have any. */
export function isOnlyStack(layout: StateLayout): boolean {
  const file = checkpointFile(layout);
  if (file === undefined || !existsSync(dirname(file))) return false;
  return readdirSync(dirname(file)).every((name) => !name.endsWith(".json") || name === basename(file));
}

/** State of a stack of a file backend; undefined for another backend, which only the engine can read. */
export function readCheckpoint(layout: StateLayout): CheckpointSummary | undefined {
  const content = readDeployment(layout);
  if (content === undefined) return undefined;
  if (content === "none") return { exists: false, resources: [], hosts: [], pending: [] };
  return { exists: true, ...parseDeployment(content.deployment) };
}

/** The whole state of a stack of a file backend; undefined for another backend. */
export function readDeployment(layout: StateLayout): { deployment: unknown } | "none" | undefined {
  const file = checkpointFile(layout);
  if (file === undefined) return undefined;
  // A compressed backend (PULUMI_DIY_BACKEND_GZIP, _ZSTD) has other endings: the engine is asked then.
  if (!existsSync(file)) {
    const compressed = [".gz", ".zst"].some((ending) => existsSync(`${file}${ending}`));
    return compressed ? undefined : "none";
  }
  return { deployment: JSON.parse(readFileSync(file, "utf8")) };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
