export { CodecError, childPath, decodeProperties, encodeProperties } from "./codec.ts";
export { configValue } from "./config.ts";
export { diffProperties, sameValue } from "./diff.ts";
export { type ErrorCode, errorText, PartialFailure, type PartialState, ProviderError } from "./errors.ts";
export { runPlugin } from "./run.ts";
export { type PluginServer, type ServerOptions, startServer } from "./server.ts";
export type * from "./types.ts";
export * from "./values.ts";
