import type { HostFacts } from "../../../../planning/index.ts";
import { briefly, config, findingsOf, goodFacts } from "../lab.ts";

export const known = <T>(value: T) => ({ known: true, value }) as const;
export type Parts = Parameters<typeof config>[0];

export const found = (parts: Parts, host: Partial<HostFacts> = {}) => {
  const lab = config(parts);
  return briefly(findingsOf(lab, goodFacts(lab, host)));
};
export const acceleration = (text: string) => ({ hpc: `hardware: { acceleration: ${text} }` });
export const list = (...ips: string[]) =>
  `compute_nodes:\n${ips.map((ip) => `  - { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: ${ip} }`).join("\n")}`;

export const foreign = (more: object = {}) => ({
  name: "other",
  owned: false,
  running: true,
  memoryMiB: 1024,
  vcpus: 2,
  macs: [],
  pinnedCpus: [],
  ...more,
});
