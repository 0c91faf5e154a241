import { hostname, userInfo } from "node:os";
import type { HpcConfig } from "../../config/index.ts";
import type { PowerDeclarations } from "../../planning/index.ts";
import { controllerName } from "../../planning/names.ts";
import { type Hold, oneLine } from "../../providers/libvirt/ownership/index.ts";
import {
  holdText,
  placeHold,
  readHold,
  releaseCommand,
  releaseHold,
  restoreHold,
} from "../../providers/libvirt/resources/domain/index.ts";
import type { EngineSession } from "../engine/operate.ts";
import { deployment } from "../engine/query.ts";
import { onMachines } from "../power/host.ts";
import { machinesOf, type StackMachine } from "../power/machines.ts";
import { select } from "../power/select.ts";
import { powerInForce, type StackEdit, writePower } from "../power/stack-edit.ts";
import { declare, declaredOn, declareRestart } from "../power/stack-power.ts";
import { ask } from "../report/ask.ts";
import { type Context, readLab } from "./context.ts";
import { prepareRun } from "./prepare.ts";
import { tryUp } from "./up.ts";

export interface PowerOptions {
  /** Machines and groups as a person writes them. */
  words: readonly string[];
  /** Do not ask before machines are interrupted. */
  yes: boolean;
}

export interface HoldOptions extends PowerOptions {
  /** Why, for those who see the hold. */
  reason: string;
}

/** A reason is shown in a line of a table. */
const REASON_LENGTH = 200;

export type PowerCommand = "start" | "stop" | "restart";

/** Declares machines on, off or to be restarted, and applies that as `up` does. Returns the exit code. */
export async function changePower(
  context: Context,
  command: PowerCommand,
  options: PowerOptions,
): Promise<number> {
  // Before anything is prepared, which takes its time.
  select(clusterOf(context), options.words);
  return applyPower(context, await prepareRun(context, "change"), command, options);
}

/** As `changePower`, with an engine that is there already. */
export async function applyPower(
  context: Context,
  session: EngineSession,
  command: PowerCommand,
  options: PowerOptions,
  question = ask,
): Promise<number> {
  const config = clusterOf(context);
  const { report } = context;
  const now = powerInForce(context, config);
  const named = select(config, options.words);
  const machines = machinesOf(await deployment(session, context.layout)).filter(({ name }) =>
    named.names.includes(name),
  );
  const names =
    command === "restart" ? await restartable(context, config, now, named, machines) : named.names;
  const wanted =
    command === "restart"
      ? declareRestart(now, names, new Date().toISOString())
      : declare(config, now, names, command === "start" ? "on" : "off");
  const edit = writePower(context, config, wanted);
  let released = new Map<string, Hold>();
  let begun = false;
  try {
    showEdit(context, edit);
    if (command === "start") released = await release(context, machines);
    const result = await tryUp(context, session, { yes: options.yes }, question);
    begun = result.begun;
    return result.code;
  } finally {
    if (!begun) {
      edit.undo();
      if (edit.lines.length > 0) report.line(`${edit.file} is as it was before.`);
      await putBack(context, machines, released);
    }
  }
}

function clusterOf(context: Context): HpcConfig {
  const config = readLab(context)?.hpc;
  if (config !== undefined) return config;
  throw new Error(
    `stack ${context.layout.stack} declares no cluster, so there are no machines to start or stop; ` +
      `set hyperlab:file in Pulumi.${context.layout.stack}.yaml`,
  );
}

function showEdit({ report }: Context, edit: StackEdit): void {
  if (edit.lines.length === 0) return;
  report.line(`${edit.file}:`);
  for (const line of edit.lines)
    report.line(report.colour(line.startsWith("-") ? "red" : "green", `  ${line}`));
  report.line();
}

/** Machines that can be restarted; of a group those that run, while one that was named itself must. */
async function restartable(
  context: Context,
  config: HpcConfig,
  now: PowerDeclarations,
  named: ReturnType<typeof select>,
  machines: readonly StackMachine[],
): Promise<string[]> {
  const held = await onMachines(machines, context.report, "Looking for holds", readHold);
  const why = (name: string): string | undefined => {
    const hold = held.get(name);
    if (hold !== undefined)
      return `${name} is ${holdText(hold)}; release it with: ${releaseCommand(hold, name)}`;
    return declaredOn(config, now, name)
      ? undefined
      : `${name} is declared off; start it with: hyperlab start ${name}`;
  };
  const refused = named.names.flatMap((name) => (named.singled.has(name) ? (why(name) ?? []) : []));
  if (refused.length > 0) throw new Error(refused.join("\n"));
  const able = named.names.filter((name) => why(name) === undefined);
  if (able.length === 0) throw new Error("none of these machines is on, so there is nothing to restart");
  return able;
}

async function release({ report }: Context, machines: readonly StackMachine[]): Promise<Map<string, Hold>> {
  const found = await onMachines(machines, report, "Releasing holds", releaseHold);
  const released = new Map<string, Hold>();
  for (const [name, hold] of found) {
    if (hold === undefined) continue;
    released.set(name, hold);
    report.line(`${name} was ${holdText(hold)}; released.`);
  }
  return released;
}

async function putBack(
  { report }: Context,
  machines: readonly StackMachine[],
  released: ReadonlyMap<string, Hold>,
): Promise<void> {
  const held = machines.filter(({ name }) => released.has(name));
  await onMachines(held, report, "Putting holds back", async (run, machine) => {
    const hold = released.get(machine.name);
    if (hold !== undefined) await restoreHold(run, machine, hold);
  });
}

/** Stops machines for a time, without a change of what is declared. Returns the exit code. */
export async function holdMachines(context: Context, options: HoldOptions): Promise<number> {
  select(clusterOf(context), options.words);
  return applyHold(context, await prepareRun(context, "change"), options);
}

/** As `holdMachines`, with an engine that is there already. */
export async function applyHold(
  context: Context,
  session: EngineSession,
  options: HoldOptions,
  question = ask,
): Promise<number> {
  const { interactive, layout, report } = context;
  const config = clusterOf(context);
  const { names } = select(config, options.words);
  const controller = controllerName(config.name);
  if (names.includes(controller)) {
    throw new Error(
      `${controller} cannot be held: every change of the cluster goes through it. ` +
        "Name compute nodes (compute: all of them), or stop the cluster with: hyperlab stop all",
    );
  }
  const machines = machinesOf(await deployment(session, layout)).filter(({ name }) => names.includes(name));
  const missing = names.filter((name) => !machines.some((machine) => machine.name === name));
  if (missing.length > 0) {
    throw new Error(
      `stack ${layout.stack} has not made ${missing.join(", ")} yet; bring it up first: hyperlab up`,
    );
  }
  if (interactive && !options.yes) {
    const what = names.length <= 5 ? names.join(", ") : `${names.length} machines`;
    const answer = await question(`This stops ${what} for a time. Go on? [y/N] `);
    if (answer === undefined || !/^y(es)?$/i.test(answer)) {
      report.line("Nothing was changed.");
      return 1;
    }
  }
  const hold: Hold = {
    power: "off",
    kind: "manual",
    since: `${new Date().toISOString().slice(0, 19)}Z`,
    by: `${userInfo().username}@${hostname()}`,
    reason: oneLine(options.reason).slice(0, REASON_LENGTH),
  };
  const label = `Emptying and stopping ${names.length === 1 ? names[0] : `${names.length} machines`}`;
  await onMachines(machines, report, label, (run, machine) => placeHold(run, machine, hold));
  report.line(`${names.join(", ")}: ${holdText(hold)}.`);
  report.line(`hyperlab up leaves it so; release with: hyperlab start ${options.words.join(" ")}`);
  return 0;
}
