import type { HpcConfig, LabConfig } from "../../../config/index.ts";
import {
  type Finding,
  type HostFacts,
  type HpcClusterPlan,
  type ImageFact,
  type ImageRequest,
  imageRequests,
  type LabFacts,
  type PlanOptions,
  planLab,
} from "../../../planning/index.ts";
import { labText, loaded } from "../config/lab-text.ts";

const known = <T>(value: T) => ({ known: true, value }) as const;

/** A host with plenty of everything on which nothing else lives. */
export const emptyHost: HostFacts = {
  kvm: known(true),
  cpuVendor: known("amd" as const),
  cpuFeatures: known(["avx2", "svm"]),
  nested: known(true),
  cpus: known(Array.from({ length: 64 }, (_, id) => ({ id, numaNode: id < 32 ? 0 : 1 }))),
  memoryMiB: known(100_000_000),
  poolFreeMiB: known(1_000_000_000),
  freeHugepages: known([
    { sizeKiB: 2048, count: 1_000_000 },
    { sizeKiB: 1_048_576, count: 10_000 },
  ]),
  networks: known([]),
  interfaces: known([{ name: "lo", owned: false }]),
  domains: known([]),
  networkFilters: known(["clean-traffic"]),
  pools: known([]),
  guestShutdownSeconds: known(Number.POSITIVE_INFINITY),
  forwards: known([]),
};

/** Facts in which every image of the configuration is there. */
export function goodFacts(config: LabConfig, host: Partial<HostFacts> = {}): LabFacts {
  const images = imageRequests(config).map((request) => [
    request.key,
    {
      path: `/cache/${request.key}.qcow2`,
      identity: identityOf(request.kind),
      format: known("qcow2" as const),
      virtualSizeMiB: known(4096),
    },
  ]);
  return {
    invoker: { name: "ada", sshKeys: ["ssh-ed25519 AAAAC3Nz ada@example"] },
    host: { ...emptyHost, ...host },
    images: Object.fromEntries(images),
  };
}

function identityOf(kind: ImageRequest["kind"]): ImageFact["identity"] {
  if (kind === "golden") return { id: "recipe-1" };
  return kind === "guest" ? { id: "guest-1" } : { sha256: "5".repeat(64) };
}

/** Configuration from the parts of a small file. */
export function config(parts?: Parameters<typeof labText>[0]): LabConfig {
  return loaded(labText(parts)).config;
}

export function hpcOf(lab: LabConfig): HpcConfig {
  if (lab.hpc === undefined) throw new Error("the configuration has no SLURM cluster");
  return lab.hpc;
}

/** The cluster's plan; throws where a finding is an error. */
export function planned(lab: LabConfig, facts: LabFacts = goodFacts(lab)): HpcClusterPlan {
  const { plan, findings } = planLab(lab, facts);
  const errors = findings.filter((finding) => finding.severity === "error");
  if (plan.hpc === undefined || errors.length > 0) throw new Error(JSON.stringify(errors, null, 1));
  return plan.hpc;
}

export function findingsOf(
  lab: LabConfig,
  facts: LabFacts = goodFacts(lab),
  options?: PlanOptions,
): Finding[] {
  return planLab(lab, facts, options).findings;
}

/** Findings as `severity id path`. */
export const briefly = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, id, path }) => `${severity} ${id} ${path}`);
