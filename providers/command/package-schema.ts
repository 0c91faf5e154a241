/** The package's schema, made from the tables of fields. */
import {
  connectionFields,
  copyToRemoteFields,
  type Field,
  type Fields,
  type FieldType,
  localCommandFields,
  localOutputs,
  localRunFields,
  loggingValues,
  proxyFields,
  remoteCommandFields,
  remoteOutputs,
} from "./fields.ts";

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const typeSchemas: Readonly<Record<FieldType, { [key: string]: Json }>> = {
  string: { type: "string" },
  number: { type: "number" },
  integer: { type: "integer" },
  boolean: { type: "boolean" },
  strings: { type: "array", items: { type: "string" } },
  stringMap: { type: "object", additionalProperties: { type: "string" } },
  anyList: { type: "array", items: { $ref: "pulumi.json#/Any" } },
  assets: { type: "object", additionalProperties: { $ref: "pulumi.json#/Asset" } },
  archive: { $ref: "pulumi.json#/Archive" },
  assetOrArchive: { $ref: "pulumi.json#/Asset" },
  localLogging: { $ref: "#/types/command:local:Logging" },
  remoteLogging: { $ref: "#/types/command:remote:Logging" },
  connection: { $ref: "#/types/command:remote:Connection" },
  proxy: { $ref: "#/types/command:remote:ProxyConnection" },
};

function property(field: Field): { [key: string]: Json } {
  return {
    ...typeSchemas[field.type],
    description: field.description,
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(field.secret ? { secret: true } : {}),
    ...(field.trigger ? { replaceOnChanges: true } : {}),
  };
}

const properties = (fields: Fields) =>
  Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, property(field)]));

const required = (fields: Fields) =>
  Object.entries(fields)
    .filter(([, field]) => field.required)
    .map(([name]) => name);

const objectType = (description: string, fields: Fields) => ({
  type: "object",
  description,
  properties: properties(fields),
  required: required(fields),
});

const resource = (description: string, inputs: Fields, outputs: Fields) => ({
  ...objectType(description, { ...inputs, ...outputs }),
  inputProperties: properties(inputs),
  requiredInputs: required(inputs),
});

const logging = { type: "string", enum: loggingValues.map((value) => ({ value })) };

/** The schema as Pulumi reads it. */
export function packageSchema(version: string): string {
  return JSON.stringify({
    name: "command",
    displayName: "Command",
    version,
    description: "Commands on this machine and on remote hosts as resources.",
    license: "Apache-2.0",
    meta: { moduleFormat: "(.*)" },
    types: {
      "command:local:Logging": logging,
      "command:remote:Logging": logging,
      "command:remote:Connection": objectType("How to reach a host by SSH.", connectionFields),
      "command:remote:ProxyConnection": objectType("How to reach a bastion host by SSH.", proxyFields),
    },
    provider: { type: "object" },
    resources: {
      "command:local:Command": resource("A command on this machine.", localCommandFields, localOutputs),
      "command:remote:Command": resource("A command on a remote host.", remoteCommandFields, remoteOutputs),
      "command:remote:CopyToRemote": resource("Files copied to a remote host.", copyToRemoteFields, {}),
    },
    functions: {
      "command:local:run": {
        description: "Runs a command on this machine at every preview and update.",
        inputs: objectType("Arguments.", localRunFields),
        outputs: objectType("Result.", { ...localRunFields, ...localOutputs }),
      },
    },
  });
}
