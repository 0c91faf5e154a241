import { type Findings, HPC } from "../findings.ts";
import type { HpcClusterPlan } from "../plan.ts";
import { type LintInput, lintSlurm } from "./linter.ts";
import { renderCgroupConf, renderGresConf, renderSlurmConf, renderSlurmdbdConf } from "./render.ts";

/** GPU plugins of Debian 13's SLURM packages in the image. */
const GPU_PLUGINS = ["nvidia", "nrt"];

/** The rendered texts of a plan, for the linter. */
export function lintInput(plan: HpcClusterPlan): LintInput {
  return {
    slurmConf: renderSlurmConf(plan.slurm),
    cgroupConf: renderCgroupConf(plan.slurm),
    gresConf: renderGresConf(plan.slurm),
    topologyConf: "",
    slurmdbdConf: renderSlurmdbdConf(plan.slurm),
    vmMemoryMiB: Object.fromEntries(plan.slurm.nodes.map((node) => [node.name, node.vmMemoryMiB])),
    gpuPlugins: GPU_PLUGINS,
  };
}

/** Lints what would be written; every finding stops the run or warns, with the text of the rule. */
export function lintPlan(plan: HpcClusterPlan, findings: Findings): void {
  for (const { rule, severity, file, line, text, remedy } of lintSlurm(lintInput(plan))) {
    const place = line === 0 ? file : `${file} line ${line}`;
    findings[severity](`slurm-${rule}`, `${HPC}.slurm_config`, `${place}: ${text}`, remedy);
  }
}
