import type { EngineSession } from "../engine/operate.ts";
import { stackOutputs } from "../engine/query.ts";
import { run } from "../process/run.ts";
import { readLabOutputs } from "../report/lab-summary.ts";
import { runtimeDrift, SLURM_RUNTIME_COMMAND, splitRuntime } from "../slurm/runtime-drift.ts";
import { hostNames } from "../ssh/client-files.ts";
import { prepareSsh } from "../ssh/controller.ts";
import type { Context } from "./context.ts";

/** What was changed by `scontrol` past the configuration; why nobody can tell; or nothing, where there is no cluster yet. */
export type SlurmDrift =
  | { readonly known: true; readonly changed: readonly string[] }
  | { readonly known: false; readonly why: string };

const CONNECT_SECONDS = 10;
const ANSWER_MS = 30_000;

/** Asks the controller by ssh, as the person who calls. Changes nothing; a controller that does not answer is a result. */
export async function readSlurmDrift(
  { layout }: Context,
  session: EngineSession,
): Promise<SlurmDrift | undefined> {
  const { knownHosts, nodes, sshConfig } = readLabOutputs(await stackOutputs(session));
  if (sshConfig === undefined || knownHosts === undefined) return undefined;
  const [controller] = hostNames(sshConfig);
  if (controller === undefined) return undefined;
  if (nodes.some(({ name, state }) => name === controller && state === "off")) {
    return { known: false, why: `${controller} is declared off` };
  }
  const config = prepareSsh(layout, { sshConfig, knownHosts });
  const options = ["-F", config, "-o", "BatchMode=yes", "-o", `ConnectTimeout=${CONNECT_SECONDS}`];
  const asked = await run("ssh", [...options, controller, SLURM_RUNTIME_COMMAND], { timeoutMs: ANSWER_MS });
  const runtime = asked.code === 0 ? splitRuntime(asked.stdout) : undefined;
  if (runtime !== undefined) return { known: true, changed: runtimeDrift(runtime) };
  const said = asked.stderr.trim().split("\n").at(-1) ?? "";
  const why = asked.timedOut ? `no answer in ${ANSWER_MS / 1000} s` : said || "its answer was not understood";
  return { known: false, why: `${controller}: ${why}` };
}

/** For people, below the preview. */
export function renderSlurmDrift(drift: SlurmDrift | undefined): string[] {
  if (drift === undefined) return [];
  if (!drift.known) return ["", `Whether somebody changed SLURM by scontrol is unknown: ${drift.why}`];
  if (drift.changed.length === 0) return [];
  return ["", "Changed in SLURM by scontrol, and left alone:", ...drift.changed.map((line) => `  ${line}`)];
}
