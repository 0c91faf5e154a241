/** What a provider implements, and what it is given. */
import type { PropertyMap } from "./values.ts";

/** Writes to the engine's display, under the resource that the call is about. Never blocks; never throws. */
export interface Logger {
  /** Shown only with `--debug`. */
  debug(message: string): void;
  /** Stays in the display and in the summary's diagnostics. */
  info(message: string): void;
  warning(message: string): void;
  error(message: string): void;
  /** Progress: replaces the last status line of the resource and leaves no trace. */
  status(message: string): void;
  /** One line of a program's output: shown in order while the resource is worked on, not kept in the summary. */
  output(line: string): void;
}

/** Everything about a call that is not its data. */
export interface CallContext {
  readonly logger: Logger;
  /** Aborted by Cancel, by the engine's end and by the deadline; its reason is a `ProviderError` that can be thrown. */
  readonly signal: AbortSignal;
  /** True in a preview: nothing may be changed. */
  readonly preview: boolean;
  /** End of the caller's patience (`customTimeouts`) in milliseconds since the epoch. */
  readonly deadline: number | undefined;
}

/** Identity of the resource that a call is about. */
export interface ResourceIdentity {
  readonly urn: string;
  readonly name: string;
  readonly type: string;
}

/** One wrong input. `property` is a path such as `disks[1].target`; empty for the resource as a whole. */
export interface CheckFailure {
  readonly property: string;
  readonly reason: string;
}

export interface CheckRequest extends ResourceIdentity {
  /** Inputs of the last deployment; empty for a new resource. */
  readonly olds: PropertyMap;
  /** Inputs as the program gives them. */
  readonly news: PropertyMap;
  /** Random bytes, the same for preview and update of one plan. Empty for a configuration. */
  readonly randomSeed: Uint8Array;
}

export interface CheckResult {
  /** The inputs with defaults. They are what the other calls get. */
  readonly inputs: PropertyMap;
  /** All of the problems, not only the first. */
  readonly failures?: readonly CheckFailure[];
}

export type DiffKind = "add" | "addReplace" | "delete" | "deleteReplace" | "update" | "updateReplace";

/** Changes by property path. `inputDiff`: old inputs against new inputs, instead of old state against new inputs. */
export type DetailedDiff = Readonly<
  Record<string, { readonly kind: DiffKind; readonly inputDiff?: boolean }>
>;

export interface DiffRequest extends ResourceIdentity {
  readonly id: string;
  /** The recorded state. */
  readonly state: PropertyMap;
  /** Inputs of the last deployment. */
  readonly oldInputs: PropertyMap;
  /** Checked inputs; may hold unknown values in a preview. */
  readonly news: PropertyMap;
  /** Paths that the program wants to be ignored; the engine has already put the old inputs there. */
  readonly ignoreChanges: readonly string[];
}

export interface DiffResult {
  /** Default: `some` if `detailedDiff` or `replaces` names anything, else `none`. */
  readonly changes?: "none" | "some" | "unknown";
  readonly detailedDiff?: DetailedDiff;
  /** Paths that force a replacement, in addition to the `*Replace` entries of `detailedDiff`. */
  readonly replaces?: readonly string[];
  readonly deleteBeforeReplace?: boolean;
  /** Outputs that an update does not change: they stay known in previews. */
  readonly stables?: readonly string[];
}

export interface CreateRequest extends ResourceIdentity {
  readonly inputs: PropertyMap;
}

export interface CreateResult {
  /** May be empty in a preview. */
  readonly id: string;
  readonly outputs: PropertyMap;
  /** Ask the engine to read this resource before each later diff, in previews too. */
  readonly refreshBeforeUpdate?: boolean;
}

export interface ReadRequest extends ResourceIdentity {
  readonly id: string;
  /** The recorded state; empty for an import. */
  readonly state: PropertyMap;
  /** The recorded inputs; empty for an import. */
  readonly inputs: PropertyMap;
}

export interface ReadResult {
  readonly id: string;
  readonly outputs: PropertyMap;
  readonly inputs: PropertyMap;
  readonly refreshBeforeUpdate?: boolean;
}

export interface UpdateRequest extends ResourceIdentity {
  readonly id: string;
  readonly state: PropertyMap;
  readonly oldInputs: PropertyMap;
  readonly inputs: PropertyMap;
  readonly ignoreChanges: readonly string[];
}

export interface UpdateResult {
  readonly outputs: PropertyMap;
  readonly refreshBeforeUpdate?: boolean;
}

export interface DeleteRequest extends ResourceIdentity {
  readonly id: string;
  readonly state: PropertyMap;
  readonly oldInputs: PropertyMap;
}

/**
 * One resource type. Every method may throw `ProviderError`; create, read and update may throw
 * `PartialFailure` when the resource exists although the step failed.
 */
export interface ResourceHandler {
  check(context: CallContext, request: CheckRequest): Promise<CheckResult>;
  diff(context: CallContext, request: DiffRequest): Promise<DiffResult>;
  create(context: CallContext, request: CreateRequest): Promise<CreateResult>;
  /** `undefined` only when the object is proven gone. Without this method the recorded state is given back. */
  read?(context: CallContext, request: ReadRequest): Promise<ReadResult | undefined>;
  update(context: CallContext, request: UpdateRequest): Promise<UpdateResult>;
  delete(context: CallContext, request: DeleteRequest): Promise<void>;
}

export interface FunctionResult {
  readonly outputs?: PropertyMap;
  readonly failures?: readonly CheckFailure[];
}

export type FunctionHandler = (context: CallContext, args: PropertyMap) => Promise<FunctionResult>;

export interface ConfigureRequest {
  /** Checked configuration. Values that are not strings may arrive as JSON text: see `configValue`. */
  readonly config: PropertyMap;
}

/** A provider plugin. */
export interface PluginDefinition {
  /** Name of the package, for example `libvirt`. */
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
  /** The package's schema as JSON text, or a function that reads it when it is asked for. */
  readonly schema: string | (() => string | Promise<string>);
  /** Default: accepts everything. */
  readonly checkConfig?: (context: CallContext, request: CheckRequest) => Promise<CheckResult>;
  /** Default: an update for any difference. A replacement replaces every resource of the provider. */
  readonly diffConfig?: (context: CallContext, request: DiffRequest) => Promise<DiffResult>;
  /** Must not contact anything, so that previews work without it. */
  readonly configure?: (context: CallContext, request: ConfigureRequest) => Promise<void>;
  /** By type token, for example `libvirt:index:Domain`. */
  readonly resources: Readonly<Record<string, ResourceHandler>>;
  /** By token. */
  readonly functions?: Readonly<Record<string, FunctionHandler>>;
  /** Called once before the process ends, when the calls under way have ended: close connections here. */
  readonly close?: () => Promise<void>;
}
