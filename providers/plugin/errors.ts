/** Errors of providers and their form on the wire. */
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { CodecError, encodeProperties, wellFormed } from "./codec.ts";
import { anyPb, providerPb, statusPb } from "./proto.ts";
import type { PropertyMap } from "./values.ts";

export type ErrorCode =
  | "cancelled"
  | "unknown"
  | "invalidArgument"
  | "deadlineExceeded"
  | "notFound"
  | "alreadyExists"
  | "failedPrecondition"
  | "unimplemented"
  | "internal"
  | "unavailable";

const statusCodes: Readonly<Record<ErrorCode, status>> = {
  cancelled: status.CANCELLED,
  unknown: status.UNKNOWN,
  invalidArgument: status.INVALID_ARGUMENT,
  deadlineExceeded: status.DEADLINE_EXCEEDED,
  notFound: status.NOT_FOUND,
  alreadyExists: status.ALREADY_EXISTS,
  failedPrecondition: status.FAILED_PRECONDITION,
  unimplemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
  unavailable: status.UNAVAILABLE,
};

/** An error with a text for the user: what happened, to what, why, what to do next. */
export class ProviderError extends Error {
  readonly code: ErrorCode;
  constructor(message: string, code: ErrorCode = "unknown", cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ProviderError";
    this.code = code;
  }
}

/** What exists although a create, read or update failed. */
export interface PartialState {
  readonly id: string;
  readonly outputs: PropertyMap;
  /**
   * Inputs to record after a failed read. After a failed create or update the engine records the requested inputs whatever
   * this says: the next diff must look at the state, or at what a read before it finds (`refreshBeforeUpdate`).
   */
  readonly inputs?: PropertyMap;
  /** Why the step failed, for people: the engine shows these and not the error's message. Default: the message. */
  readonly reasons?: readonly string[];
  readonly refreshBeforeUpdate?: boolean;
}

/** The resource exists, but the step failed: the engine records `partial` and repairs it with the next update. */
export class PartialFailure extends Error {
  readonly partial: PartialState;
  constructor(message: string, partial: PartialState) {
    super(message);
    this.name = "PartialFailure";
    this.partial = partial;
  }
}

/** The text of anything that was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function partialMetadata(message: string, partial: PartialState): Metadata {
  const detail = new providerPb.ErrorResourceInitFailed();
  detail.setId(partial.id);
  detail.setProperties(encodeProperties(partial.outputs));
  if (partial.inputs !== undefined) detail.setInputs(encodeProperties(partial.inputs));
  detail.setReasonsList((partial.reasons ?? [message]).map(wellFormed));
  detail.setRefreshBeforeUpdate(partial.refreshBeforeUpdate ?? false);
  const packed = new anyPb.Any();
  packed.pack(detail.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const wire = new statusPb.Status();
  wire.setCode(status.UNKNOWN);
  wire.setMessage(message);
  wire.addDetails(packed);
  const metadata = new Metadata();
  metadata.add("grpc-status-details-bin", Buffer.from(wire.serializeBinary()));
  return metadata;
}

/** True for what is not one of our errors: a mistake in the plugin itself. */
export function isDefect(error: unknown): boolean {
  return !(error instanceof PartialFailure || error instanceof ProviderError || error instanceof CodecError);
}

/** The gRPC form of anything that was thrown. What is not one of our errors is a defect and says so. */
export function toServiceError(error: unknown): Partial<ServiceError> & { code: status; details: string } {
  if (error instanceof PartialFailure) {
    const details = wellFormed(error.message);
    return { code: status.UNKNOWN, details, metadata: partialMetadata(details, error.partial) };
  }
  if (error instanceof ProviderError) {
    return { code: statusCodes[error.code], details: wellFormed(error.message) };
  }
  if (error instanceof CodecError) {
    return { code: status.INVALID_ARGUMENT, details: wellFormed(error.message) };
  }
  const name = error instanceof Error ? `${error.name}: ` : "";
  return {
    code: status.INTERNAL,
    details: wellFormed(
      `internal error of the plugin, please report it (details with --logtostderr -v=9): ${name}${errorText(error)}`,
    ),
  };
}
