import { type LoadedLab, loadLabFile, type RefusedLab } from "../../../config/index.ts";

/** A complete small cluster file; each argument replaces the lines of one block. */
export function labText(
  parts: { hpc?: string; network?: string; nodes?: string; slurm?: string } = {},
): string {
  return `version: "1.0"
metadata: { name: test, description: For tests }
clusters:
  hpc:
    name: lab
    network:
      subnet: 10.50.0.0/24
      bridge: hlab-test0
${indent(parts.network ?? "", 6)}    controller: { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip_address: 10.50.0.2 }
${indent(parts.nodes ?? "compute_nodes: { count: 2, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }", 4)}    slurm_config:
      partitions: [main]
      default_partition: main
${indent(parts.slurm ?? "", 6)}${indent(parts.hpc ?? "", 4)}`;
}

const indent = (text: string, width: number): string =>
  text === ""
    ? ""
    : `${text
        .split("\n")
        .map((line) => " ".repeat(width) + line)
        .join("\n")}\n`;

export function loaded(text: string): LoadedLab {
  const result = loadLabFile(text, "lab.yaml");
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  return result;
}

export function refused(text: string): RefusedLab {
  const result = loadLabFile(text, "lab.yaml");
  if (result.ok) throw new Error("the file was accepted");
  return result;
}

/** Problems as `line:column path: reason`. */
export const brief = (result: RefusedLab): string[] =>
  result.problems.map(({ line, column, path, reason }) => `${line}:${column} ${path}: ${reason}`);
