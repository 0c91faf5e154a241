import type { EngineSession } from "../engine/operate.ts";
import { stackOutputs } from "../engine/query.ts";
import { readLabOutputs } from "../report/lab-summary.ts";
import { runtimeDrift, SLURM_RUNTIME_COMMAND, splitRuntime } from "../slurm/runtime-drift.ts";
import { hostNames } from "../ssh/client-files.ts";
import { controllerShell, prepareSsh } from "../ssh/controller.ts";
import type { Context } from "./context.ts";

/** What was changed by `scontrol` past the configuration; why nobody can tell; or nothing, where there is no cluster yet. */
export type SlurmDrift =
  | { readonly known: true; readonly changed: readonly string[] }
  | { readonly known: false; readonly why: string };

const LIMITS = { connectSeconds: 10, answerMs: 30_000 };

/** Asks the controller by ssh, as the person who calls. Changes nothing; a controller that does not answer is a result. */
export async function readSlurmDrift(
  { layout }: Context,
  session: EngineSession,
): Promise<SlurmDrift | undefined> {
  const { knownHosts, nodes, sshConfig } = readLabOutputs(await stackOutputs(session));
  if (sshConfig === undefined || knownHosts === undefined) return undefined;
  const hosts = hostNames(sshConfig);
  const [controller] = hosts;
  if (controller === undefined) return undefined;
  if (nodes.some(({ name, state }) => name === controller && state === "off")) {
    return { known: false, why: `${controller} is declared off` };
  }
  const config = prepareSsh(layout, { sshConfig, knownHosts });
  try {
    const runtime = splitRuntime(
      await controllerShell({ config, hosts }, undefined, LIMITS)(SLURM_RUNTIME_COMMAND),
    );
    return runtime === undefined
      ? { known: false, why: `${controller}: its answer was not understood` }
      : { known: true, changed: runtimeDrift(runtime) };
  } catch (error) {
    return { known: false, why: error instanceof Error ? error.message : String(error) };
  }
}

/** For people, below the preview. */
export function renderSlurmDrift(drift: SlurmDrift | undefined): string[] {
  if (drift === undefined) return [];
  if (!drift.known) return ["", `Whether somebody changed SLURM by scontrol is unknown: ${drift.why}`];
  if (drift.changed.length === 0) return [];
  return ["", "Changed in SLURM by scontrol, and left alone:", ...drift.changed.map((line) => `  ${line}`)];
}
