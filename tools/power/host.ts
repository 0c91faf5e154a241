import { createLibvirtClient } from "../../providers/libvirt/client/index.ts";
import { readCache } from "../../providers/libvirt/host.ts";
import { type Run, realParts } from "../../providers/libvirt/resources/domain/index.ts";
import { RolloutRegistry } from "../../providers/libvirt/rollout.ts";
import type { Logger } from "../../providers/plugin/index.ts";
import { passInterrupts } from "../engine/interrupts.ts";
import type { Reporter } from "../report/progress.ts";
import type { StackMachine } from "./machines.ts";

/**
 * Works on machines past the engine, by the provider's own code, all at a time. An interrupt ends every piece of work at
 * once; each leaves its machine as it was.
 *
 * @param label What the work is, for the status line.
 * @throws Error with what went wrong with each machine.
 */
export async function onMachines<T>(
  machines: readonly StackMachine[],
  report: Reporter,
  label: string,
  work: (run: Run, machine: StackMachine) => Promise<T>,
): Promise<Map<string, T>> {
  if (machines.length === 0) return new Map();
  const abort = new AbortController();
  const interrupts = passInterrupts(
    () => abort.abort(new Error("interrupted; the machine is left as it was")),
    () => undefined,
  );
  try {
    return await report.step(label, async (step) => {
      const clients = clientsOf(machines, (text) => report.line(report.colour("yellow", `warning: ${text}`)));
      try {
        const logger = loggerOf(report, step.detail);
        const ended = await Promise.allSettled(
          machines.map((machine) => work(runOf(machine, clients, logger, abort.signal), machine)),
        );
        return resultsOf(machines, ended);
      } finally {
        await Promise.all([...clients.values()].map(({ client }) => client.close()));
      }
    });
  } finally {
    interrupts.stop();
  }
}

function clientsOf(machines: readonly StackMachine[], warn: (text: string) => void) {
  const uris = [...new Set(machines.map(({ host }) => host.uri))];
  return new Map(
    uris.map((uri) => {
      const client = createLibvirtClient(uri, { onWarning: warn });
      return [uri, { client, cache: readCache(client) }] as const;
    }),
  );
}

function runOf(
  { host, name, urn }: StackMachine,
  clients: ReturnType<typeof clientsOf>,
  logger: Logger,
  signal: AbortSignal,
): Run {
  const found = clients.get(host.uri);
  if (found === undefined) throw new Error(`there is no connection to ${host.uri}`);
  const config = { uri: host.uri, owner: host.owner, refreshBeforeUpdate: true };
  const provider = { config, ...found, rollout: new RolloutRegistry() };
  return { ...realParts, provider, call: { logger, signal, preview: false, deadline: undefined }, urn, name };
}

function loggerOf(report: Reporter, status: (text: string) => void): Logger {
  const line = (text: string): void => report.line(`  ${text}`);
  const warning = (text: string): void => report.line(report.colour("yellow", `! ${text}`));
  return { debug: () => undefined, info: line, output: line, warning, error: warning, status };
}

function resultsOf<T>(
  machines: readonly StackMachine[],
  ended: readonly PromiseSettledResult<T>[],
): Map<string, T> {
  const failures = ended.flatMap((result, index) =>
    result.status === "rejected" ? [`${machines[index]?.name}: ${reasonOf(result.reason)}`] : [],
  );
  if (failures.length > 0) throw new Error(failures.join("\n"));
  return new Map(
    ended.flatMap((result, index) => {
      const name = machines[index]?.name;
      return result.status === "fulfilled" && name !== undefined ? [[name, result.value] as const] : [];
    }),
  );
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
