/** A provider without anything behind it: files in memory, with every feature of the protocol. */
import {
  type CallContext,
  diffProperties,
  errorText,
  isObject,
  PartialFailure,
  type PluginDefinition,
  type PropertyMap,
  ProviderError,
  reveal,
  Secret,
  Unknown,
} from "../../../providers/plugin/index.ts";

export const tinyType = "tiny:index:File";

export interface TinyState {
  readonly files: Map<string, PropertyMap>;
  readonly calls: string[];
  config: PropertyMap;
}

export function tinyProvider(state: TinyState): PluginDefinition {
  const { files, calls } = state;
  /** Waits until the call's signal says stop, and throws its reason. */
  const untilAborted = (context: CallContext): Promise<never> =>
    new Promise((_, reject) => {
      const stop = () => {
        calls.push(`aborted: ${errorText(context.signal.reason)}`);
        reject(context.signal.reason);
      };
      context.signal.addEventListener("abort", stop, { once: true });
    });
  return {
    name: "tiny",
    version: "1.2.3",
    schema: () => JSON.stringify({ name: "tiny", version: "1.2.3" }),
    async checkConfig(_, { news }) {
      const failures = news.uri === undefined ? [{ property: "uri", reason: "is required" }] : [];
      return { inputs: news, failures };
    },
    async configure(_, { config }) {
      state.config = config;
    },
    async close() {
      calls.push("close");
    },
    functions: {
      "tiny:index:echo": async (context, args) => {
        if (args.fail === true) return { failures: [{ property: "fail", reason: "was asked to" }] };
        return { outputs: { ...args, preview: context.preview } };
      },
    },
    resources: {
      [tinyType]: {
        async check(_, { news }) {
          const failures = [];
          if (news.path === undefined) failures.push({ property: "path", reason: "is required" });
          if (isObject(news.owner) && news.owner.uid === -1) {
            failures.push({ property: "owner.uid", reason: "must not be negative" });
          }
          return { inputs: { mode: 0o644, ...news }, failures };
        },
        async diff(_, { oldInputs, news }) {
          const detailedDiff = diffProperties(oldInputs, news);
          if (detailedDiff.path === undefined) return { detailedDiff };
          return {
            detailedDiff: { ...detailedDiff, path: { kind: "updateReplace", inputDiff: true } },
            deleteBeforeReplace: true,
          };
        },
        async create(context, { inputs, name, type, urn }) {
          const plain = reveal(inputs);
          calls.push(`create ${name} ${type}`);
          if (context.preview) {
            context.logger.info(`would create ${urn}`);
            return { id: "", outputs: { ...inputs, size: new Unknown("number") }, refreshBeforeUpdate: true };
          }
          if (plain.content === "hang") {
            context.logger.status("waiting");
            await untilAborted(context);
          }
          if (plain.content === "stuck") {
            context.logger.info("stuck");
            await new Promise(() => {});
          }
          if (plain.content === "refuse")
            throw new ProviderError("no space left in pool a", "failedPrecondition");
          if (plain.content === "defect") throw new TypeError("undefined is not a function");
          const id = String(plain.path);
          const outputs = { ...inputs, token: new Secret("made"), size: String(plain.content).length };
          files.set(id, outputs);
          if (plain.content === "half") {
            throw new PartialFailure("created but not ready: no answer within 5 s", {
              id,
              outputs,
              inputs: { ...inputs, content: "recorded" },
              reasons: ["no answer within 5 s"],
            });
          }
          const huge = /^huge (\d+)$/.exec(String(plain.content))?.[1];
          if (huge !== undefined) {
            throw new PartialFailure("huge", { id, outputs: { text: "x".repeat(Number(huge)) } });
          }
          for (let line = 1; line <= 3; line++) context.logger.info(`line ${line}`);
          return { id, outputs, refreshBeforeUpdate: true };
        },
        async read(_, { id }) {
          const outputs = files.get(id);
          return outputs && { id, outputs, inputs: { path: id }, refreshBeforeUpdate: true };
        },
        async update(context, { id, inputs, oldInputs, ignoreChanges }) {
          calls.push(
            `update ${id} ${JSON.stringify({ oldInputs, ignoreChanges, preview: context.preview })}`,
          );
          if (!context.preview) files.set(id, inputs);
          return { outputs: inputs };
        },
        async delete(context, { id, oldInputs }) {
          calls.push(
            `delete ${id} ${JSON.stringify({ oldInputs, deadline: context.deadline !== undefined })}`,
          );
          if (oldInputs.content === "hang") await untilAborted(context);
          files.delete(id);
        },
      },
    },
  };
}
