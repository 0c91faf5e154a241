import { checkHostState, type HostFinding } from "../host/checks/index.ts";
import type { HostNeeds } from "../host/facts.ts";
import { declaredHost, forwardNeeds, gatherHost, needsOf } from "../host/gather.ts";
import type { RecordedHost } from "../host/recorded.ts";
import { chooseHost, stackHosts } from "../host/stack-hosts.ts";
import { unknown } from "../preflight/facts.ts";
import { type Colour, consoleReporter, type Reporter } from "../report/progress.ts";
import { textTable } from "../report/table.ts";
import { type Context, readLab } from "./context.ts";
import { terminalWidth } from "./preview.ts";

/** The host of the stack; before the first `up` the one that the cluster file names, without machines. */
export async function hostOf(context: Context, named: string | undefined): Promise<RecordedHost> {
  const hosts = await stackHosts(context);
  if (hosts.length > 0) return chooseHost(hosts, named, context.layout.stack);
  return { uri: named ?? declaredHost(readLab(context)), owner: "", machines: [] };
}

/** The port for logins that the cluster file of the stack declares on a host. A file with faults leaves it open. */
export function forwardOf(context: Context, uri: string): HostNeeds["forward"] {
  try {
    return forwardNeeds(readLab(context), uri);
  } catch (error) {
    const [why = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    return unknown(`the cluster file cannot be read: ${why}`);
  }
}

/** Checks a host and shows what was found. Returns the exit code: 1 where anything is an error. */
export async function checkHost(
  context: Context,
  options: { host: string | undefined; json: boolean },
): Promise<number> {
  // JSON owns standard output; everything else goes to standard error then.
  const report = options.json ? consoleReporter(process.stderr) : context.report;
  const host = await hostOf(context, options.host);
  const state = await report.step(`Looking at ${host.uri}`, () =>
    gatherHost(host.uri, host.machines, context.cache),
  );
  const findings = checkHostState(state, needsOf(host.machines, forwardOf(context, host.uri)));
  if (options.json) process.stdout.write(`${JSON.stringify({ host: host.uri, findings }, undefined, 2)}\n`);
  else showFindings(report, findings, terminalWidth());
  return findings.some((finding) => finding.state === "error") ? 1 : 0;
}

const colours: Readonly<Record<HostFinding["state"], Colour>> = {
  passed: "green",
  warning: "yellow",
  unknown: "yellow",
  error: "red",
};

/** One row per check, and below it what to do about what did not pass. */
export function showFindings(report: Reporter, findings: readonly HostFinding[], width: number): void {
  const rows = findings.map(({ id, state, what }) => [state, id, what]);
  const [header = "", ...lines] = textTable(["state", "check", "found"], rows, width);
  report.line(header);
  for (const [index, line] of lines.entries()) {
    const state = findings[index]?.state ?? "unknown";
    report.line(line.replace(state, report.colour(colours[state], state)));
  }
  const open = findings.filter(({ state }) => state !== "passed");
  if (open.length === 0) return;
  report.line();
  for (const { id, remedy, state, what, why } of open) {
    report.line(`${report.colour(colours[state], `${state}: ${id}`)}: ${what}`);
    report.line(`  why: ${why}`);
    report.line(`  fix: ${remedy}`);
  }
}
