import type { Finding } from "./finding.ts";

/** Something on this machine stands in the way; nothing was changed. The command ends with exit code 3. */
export class Refusal extends Error {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(findings.map((finding) => `${finding.problem}\n  fix: ${finding.fix}`).join("\n"));
    this.name = "Refusal";
    this.findings = findings;
  }
}

/** Refuses for one reason. */
export function refuse(check: string, problem: string, fix: string): never {
  throw new Refusal([{ check, level: "error", problem, fix }]);
}
