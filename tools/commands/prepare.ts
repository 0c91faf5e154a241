import type { LabConfig } from "../../config/index.ts";
import type { EngineSession } from "../engine/operate.ts";
import { checkpoint, ensureStack } from "../engine/query.ts";
import { ensureHypervisor } from "../hypervisor/ensure.ts";
import { probeKvm } from "../hypervisor/kvm-probe.ts";
import { checkMachine } from "../preflight/checks.ts";
import { gatherFacts } from "../preflight/gather.ts";
import { isLocalSystem, labNeeds } from "../preflight/needs.ts";
import { Refusal } from "../preflight/refusal.ts";
import { ensureUserKey } from "../ssh/own-key.ts";
import { type CheckpointSummary, readCheckpoint } from "../state/checkpoint.ts";
import { type Context, openSession, readLab, showFindings } from "./context.ts";
import { settle } from "./settle.ts";

/**
 * Everything before the engine may run: the cluster file is read, the local hypervisor is set up, what will not work
 * is named, the engine is obtained, and, before a change, what a killed run or a killed libvirt left is settled.
 * @param machines Names of machines that are on the host already, besides those of the state. Default: none.
 * @throws Refusal where something stands in the way.
 */
export async function prepareRun(
  context: Context,
  purpose: "change" | "preview",
  machines: readonly string[] = [],
): Promise<EngineSession> {
  const lab = readLab(context);
  const early = readCheckpoint(context.layout);
  const local = lab === undefined || isLocalSystem(lab.hpc?.host.uri ?? "qemu:///system");
  if (local) {
    const { cache, interactive, report } = context;
    const buildsImage = lab === undefined || labNeeds(lab).buildsImage;
    const state = await ensureHypervisor({ cache, report, interactive, buildsImage });
    showFindings(report, state.findings);
  }
  // Before the engine is obtained, which may take minutes, wherever the state can be read without it.
  if (local && lab && early) await preflight(context, lab, early, machines);
  // Before the program runs: it reads who may log in.
  const key = await ensureUserKey(context.layout.folder);
  if (key !== undefined) context.report.line(`You have no SSH key, so one was made for the lab: ${key}`);
  const session = await openSession(context);
  await ensureStack(session, context.layout);
  // A preview takes no lock and changes nothing, so it neither waits for a run nor mends what one left.
  if (purpose === "change") await settle(context, session);
  if (local && lab && !early) {
    await preflight(context, lab, await checkpoint(session, context.layout), machines);
  }
  return session;
}

async function preflight(
  context: Context,
  lab: LabConfig,
  state: CheckpointSummary,
  machines: readonly string[],
): Promise<void> {
  const needs = labNeeds(lab);
  const facts = await gatherFacts({
    cache: context.cache,
    poolPath: needs.poolPath,
    kvm: await probeKvm({ cache: context.cache }),
    existingMachines: [
      ...machines,
      ...state.resources
        .filter((resource) => resource.type === "libvirt:index:Domain")
        .map((resource) => resource.urn.split("::").at(-1) ?? ""),
    ],
  });
  const findings = checkMachine(needs, facts);
  const errors = findings.filter((finding) => finding.level === "error");
  // Once the lab is there, what was worth a warning at its creation is no news.
  const fresh = facts.existingMachines.length === 0;
  showFindings(context.report, fresh ? findings.filter((finding) => finding.level !== "error") : []);
  if (errors.length > 0) throw new Refusal(errors);
}
