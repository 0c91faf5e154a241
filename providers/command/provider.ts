import type { PluginDefinition } from "../plugin/index.ts";
import { packageSchema } from "./package-schema.ts";
import { functions, resources } from "./resources.ts";

/** Version of @pulumi/command whose behaviour this follows; the engine compares it with what the SDK asks for. */
const version = "1.2.1";

/**
 * The part of the command package that hyperlab uses, for sites where the engine cannot download the official plugin:
 * local.Command, remote.Command, remote.CopyToRemote and local.run, with the same names, outputs and behaviour.
 */
export const commandProvider: PluginDefinition = {
  name: "command",
  version,
  schema: () => packageSchema(version),
  resources,
  functions,
};
