import { textTable } from "./table.ts";

/** What a stack says of its lab; whatever is missing is left out. */
export interface LabOutputs {
  controllerAddress: string | undefined;
  nodes: { name: string; role: string; address: string; state: string; reason: string }[];
  partitions: string[];
  sshCommand: string | undefined;
  sshConfig: string | undefined;
  knownHosts: string | undefined;
  /** Output of the job that proved the cluster. */
  job: string | undefined;
}

/** Reads the outputs of a stack; values of another form count as missing. */
export function readLabOutputs(outputs: Record<string, unknown>): LabOutputs {
  const verification = record(outputs.verification);
  return {
    controllerAddress: text(outputs.controllerAddress),
    nodes: list(outputs.nodes).flatMap((value) => {
      const node = record(value);
      const name = text(node.name);
      if (name === undefined) return [];
      return [
        {
          name,
          role: text(node.role) ?? "",
          address: text(node.address) ?? "",
          state: text(node.state) ?? "",
          reason: text(node.reason) ?? "",
        },
      ];
    }),
    partitions: list(outputs.partitions).flatMap((value) => text(value) ?? []),
    sshCommand: text(outputs.sshCommand),
    sshConfig: text(outputs.sshConfig),
    knownHosts: text(outputs.knownHosts),
    job: text(verification.job),
  };
}

/** What a person sees at the end of `up`. */
export function renderLab(lab: LabOutputs, stateFolder: string): string[] {
  const lines: string[] = [];
  if (lab.nodes.length > 0) {
    const rows = lab.nodes.map((node) => [
      node.name,
      node.address,
      node.state || node.role || "-",
      node.reason,
    ]);
    const reason = lab.nodes.some((node) => node.reason !== "") ? ["reason"] : [];
    lines.push(...textTable(["node", "address", "SLURM state", ...reason], rows), "");
  }
  if (lab.partitions.length > 0) lines.push(`Partitions: ${lab.partitions.join(", ")}`);
  if (lab.job !== undefined && lab.job.trim() !== "") {
    const [first = "", ...rest] = lab.job.trim().split("\n");
    lines.push(`Test job:   ${first}`, ...rest.map((line) => `            ${line}`));
  }
  lines.push("Log in:     npm run ssh");
  if (lab.sshCommand !== undefined) lines.push(`            ${lab.sshCommand}`);
  lines.push("Change:     edit the cluster file, then npm run preview and npm run up");
  lines.push("Remove:     npm run down");
  lines.push(`State:      ${stateFolder} (back this folder up)`);
  return lines;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;
