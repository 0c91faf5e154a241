/** The package's types as data: the schema and the checks are both made from these tables. */

export type FieldType =
  | "string"
  | "number"
  | "integer"
  | "boolean"
  | "strings"
  | "stringMap"
  | "anyList"
  | "assets"
  | "archive"
  | "assetOrArchive"
  | "localLogging"
  | "remoteLogging"
  | "connection"
  | "proxy";

export interface Field {
  readonly type: FieldType;
  readonly description: string;
  readonly required?: boolean;
  readonly default?: string | number | boolean;
  /** Replaces the resource when it changes and there is no `update` command. */
  readonly trigger?: boolean;
  readonly secret?: boolean;
}

export type Fields = Readonly<Record<string, Field>>;

export const loggingValues = ["stdout", "stderr", "stdoutAndStderr", "none"] as const;
export type Logging = (typeof loggingValues)[number];

const endpoint = (what: string): Fields => ({
  host: { type: "string", required: true, description: `Address of ${what}.` },
  port: { type: "number", default: 22, description: `Port of ${what}. Default 22.` },
  user: { type: "string", default: "root", description: "User to log in as. Default root." },
  password: { type: "string", description: "Password; also answers keyboard-interactive questions." },
  privateKey: { type: "string", description: "Content of a private key. Tried before the password." },
  privateKeyPassword: { type: "string", description: "Passphrase of the private key." },
  agentSocketPath: { type: "string", description: "Socket of an SSH agent. Default: SSH_AUTH_SOCK." },
  dialErrorLimit: {
    type: "integer",
    default: 10,
    description: "Failed attempts to connect that are tolerated; -1 for any number. Default 10.",
  },
  perDialTimeout: {
    type: "integer",
    default: 15,
    description: "Seconds for each attempt to connect; 0 for no limit. Default 15.",
  },
  hostKey: {
    type: "string",
    description: `Public key that ${what} must have (ssh-ed25519 AAAA…). Without it any key is accepted.`,
  },
});

export const proxyFields: Fields = endpoint("the bastion host");
export const connectionFields: Fields = {
  ...endpoint("the host"),
  proxy: { type: "proxy", description: "Bastion host to go through." },
};

const previousOutput: Field = {
  type: "boolean",
  default: true,
  description:
    "Give the output of the last create or update to the next command as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR. Default true.",
};

const runFields: Fields = {
  stdin: { type: "string", description: "Standard input of the command." },
  logging: {
    type: "localLogging",
    description: "Which output is shown while the command runs. Default stdoutAndStderr.",
  },
  interpreter: {
    type: "strings",
    description: 'Program and arguments that get the command as last argument. Default ["/bin/sh", "-c"].',
  },
  dir: { type: "string", description: "Directory to run in; it must exist. Default: the project's." },
  environment: { type: "stringMap", description: "Environment variables in addition to the engine's." },
  assetPaths: {
    type: "strings",
    description: "Globs of files to return in `assets` after the command; `!` excludes.",
  },
  archivePaths: {
    type: "strings",
    description: "Globs of files to return as one `archive` after the command; `!` excludes.",
  },
  addPreviousOutputInEnv: previousOutput,
};

const lifeCycleFields: Fields = {
  create: { type: "string", description: "Command of creation; also of updates if `update` is not given." },
  update: { type: "string", description: "Command of updates. Default: `create`." },
  delete: { type: "string", description: "Command of deletion." },
  triggers: {
    type: "anyList",
    trigger: true,
    description: "Values whose change runs `update`, or replaces the resource if there is no `update`.",
  },
};

const connectionField: Field = {
  type: "connection",
  required: true,
  secret: true,
  description: "How to reach the remote host.",
};

const textOutputs: Fields = {
  stdout: { type: "string", required: true, description: "Standard output, without the last line end." },
  stderr: { type: "string", required: true, description: "Standard error, without the last line end." },
};

export const localOutputs: Fields = {
  ...textOutputs,
  assets: { type: "assets", description: "Files that `assetPaths` matched, by path relative to `dir`." },
  archive: { type: "archive", description: "Files that `archivePaths` matched." },
};
export const remoteOutputs: Fields = textOutputs;

export const localCommandFields: Fields = { ...lifeCycleFields, ...runFields };
export const localRunFields: Fields = {
  command: { type: "string", required: true, description: "The command to run." },
  ...runFields,
};

export const remoteCommandFields: Fields = {
  ...lifeCycleFields,
  connection: connectionField,
  stdin: { type: "string", description: "Standard input of the command." },
  logging: {
    type: "remoteLogging",
    description: "Which output is shown while the command runs. Default stdoutAndStderr.",
  },
  environment: {
    type: "stringMap",
    description: "Environment variables; the server must accept their names (AcceptEnv).",
  },
  addPreviousOutputInEnv: previousOutput,
};

export const copyToRemoteFields: Fields = {
  connection: connectionField,
  source: {
    type: "assetOrArchive",
    required: true,
    description:
      "A FileAsset, StringAsset or FileArchive (file or directory). Archives are not unpacked; directories are copied with all they contain.",
  },
  remotePath: {
    type: "string",
    required: true,
    description:
      "Destination. Missing parent directories are made; into an existing directory the source is copied by its name.",
  },
  triggers: { type: "anyList", trigger: true, description: "Values whose change replaces the resource." },
};
