/** The life cycle of the package's resources. */
import { randomBytes } from "node:crypto";
import {
  type CallContext,
  containsSecret,
  type DetailedDiff,
  type DiffKind,
  type DiffRequest,
  diffProperties,
  type FunctionHandler,
  type PropertyMap,
  type PropertyValue,
  type ResourceHandler,
  sameValue,
  Unknown,
  unwrap,
} from "../plugin/index.ts";
import { checkFields } from "./check.ts";
import type { CommandText } from "./failure.ts";
import {
  copyToRemoteFields,
  type Fields,
  localCommandFields,
  localRunFields,
  remoteCommandFields,
} from "./fields.ts";
import { connectionOf, localInputs, remoteInputs, text } from "./inputs.ts";
import { runLocal } from "./local/run.ts";
import type { CommandOutput } from "./output.ts";
import { copyToRemote, sourceOf } from "./remote/copy.ts";
import { runRemote } from "./remote/run.ts";
import { maskOf } from "./secrets.ts";

/** Runs a command with the inputs, and gives back what it adds to them. */
type Run = (
  context: CallContext,
  command: CommandText,
  inputs: PropertyMap,
  previous: CommandOutput | undefined,
) => Promise<PropertyMap>;

const run: { readonly local: Run; readonly remote: Run } = {
  async local(context, command, inputs, previous) {
    return { ...(await runLocal(context, command, localInputs(inputs), previous, maskOf(inputs))) };
  },
  async remote(context, command, inputs, previous) {
    return { ...(await runRemote(context, command, remoteInputs(inputs), previous, maskOf(inputs))) };
  },
};

const newId = (name: string) => name + randomBytes(4).toString("hex");

function commandOf(value: PropertyValue | undefined): CommandText | undefined {
  const command = text(value);
  return command === undefined ? undefined : { text: command, secret: containsSecret(value) };
}

/** What an update keeps of the last run, unless it runs a command. */
function outputsOf(state: PropertyMap): PropertyMap {
  const { stdout = "", stderr = "", assets, archive } = state;
  return { stdout, stderr, assets, archive };
}

const previousOf = (state: PropertyMap): CommandOutput => ({
  stdout: text(state.stdout) ?? "",
  stderr: text(state.stderr) ?? "",
});

/** Inputs of the last deployment; engines and states that do not keep them have them in the outputs. */
function oldInputsOf(fields: Fields, request: { oldInputs: PropertyMap; state: PropertyMap }): PropertyMap {
  if (Object.keys(request.oldInputs).length > 0) return request.oldInputs;
  return Object.fromEntries(Object.entries(request.state).filter(([key]) => Object.hasOwn(fields, key)));
}

const replaceKinds: Readonly<Record<DiffKind, DiffKind>> = {
  add: "addReplace",
  addReplace: "addReplace",
  delete: "deleteReplace",
  deleteReplace: "deleteReplace",
  update: "updateReplace",
  updateReplace: "updateReplace",
};

/**
 * The difference of inputs. A changed trigger replaces, unless there is an `update` command. The package's SDK asks the
 * engine to replace on `triggers[*]`; an update is therefore reported for `triggers` as a whole, which that path does not
 * contain.
 */
export function diffInputs(olds: PropertyMap, news: PropertyMap): DetailedDiff {
  const diff = diffProperties(olds, news);
  const hasUpdate = news.update !== undefined && news.update !== null;
  const result: Record<string, DetailedDiff[string]> = {};
  for (const [path, entry] of Object.entries(diff)) {
    if (!/^triggers($|[[.])/.test(path)) result[path] = entry;
    else if (hasUpdate) {
      result.triggers = { kind: path === "triggers" ? entry.kind : "update", inputDiff: true };
    } else result[path] = { ...entry, kind: replaceKinds[entry.kind] };
  }
  return result;
}

function lifeCycle(fields: Fields): Pick<ResourceHandler, "check" | "diff"> {
  return {
    async check(_, { news }) {
      return checkFields(fields, news);
    },
    async diff(_, request: DiffRequest) {
      return { detailedDiff: diffInputs(oldInputsOf(fields, request), request.news) };
    },
  };
}

function commandResource(fields: Fields, runCommand: Run): ResourceHandler {
  return {
    ...lifeCycle(fields),
    async create(context, { inputs, name }) {
      if (context.preview) {
        return { id: "", outputs: { ...inputs, stdout: new Unknown(), stderr: new Unknown() } };
      }
      const command = commandOf(inputs.create);
      const outputs = command && (await runCommand(context, command, inputs, undefined));
      return { id: newId(name), outputs: { ...inputs, ...(outputs ?? outputsOf({})) } };
    },
    async update(context, request) {
      const { inputs, state } = request;
      if (context.preview) {
        const same = sameValue(oldInputsOf(fields, request), inputs);
        const kept = same ? outputsOf(state) : { stdout: new Unknown(), stderr: new Unknown() };
        return { outputs: { ...inputs, ...kept } };
      }
      const command = commandOf(inputs.update) ?? commandOf(inputs.create);
      const outputs = command && (await runCommand(context, command, inputs, previousOf(state)));
      return { outputs: { ...inputs, ...outputsOf(state), ...outputs } };
    },
    async delete(context, { state }) {
      const command = commandOf(state.delete);
      if (command !== undefined) await runCommand(context, command, state, previousOf(state));
    },
  };
}

const copyResource: ResourceHandler = {
  ...lifeCycle(copyToRemoteFields),
  async create(context, { inputs }) {
    if (context.preview) return { id: "", outputs: inputs };
    await copy(context, inputs);
    return { id: newId(""), outputs: inputs };
  },
  async update(context, { inputs, state }) {
    const same = sameValue(inputs.source, state.source) && sameValue(inputs.remotePath, state.remotePath);
    if (!context.preview && !same) await copy(context, inputs);
    return { outputs: inputs };
  },
  /** What was copied stays. */
  async delete() {},
};

async function copy(context: CallContext, inputs: PropertyMap): Promise<void> {
  const source = sourceOf(unwrap(inputs.source));
  await copyToRemote(context, connectionOf(inputs), source, text(inputs.remotePath) ?? "");
}

/** By type token. */
export const resources: Readonly<Record<string, ResourceHandler>> = {
  "command:local:Command": commandResource(localCommandFields, run.local),
  "command:remote:Command": commandResource(remoteCommandFields, run.remote),
  "command:remote:CopyToRemote": copyResource,
};

const runFunction: FunctionHandler = async (context, args) => {
  const { inputs, failures } = checkFields(localRunFields, args);
  const command = commandOf(inputs.command);
  if (failures.length > 0 || command === undefined) return { failures };
  return { outputs: { ...inputs, ...(await run.local(context, command, inputs, undefined)) } };
};

/** By token. */
export const functions: Readonly<Record<string, FunctionHandler>> = {
  "command:local:run": runFunction,
};
