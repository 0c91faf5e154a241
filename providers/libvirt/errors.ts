import { errorText, PartialFailure, ProviderError } from "../plugin/errors.ts";
import type { CallContext, ResourceHandler } from "../plugin/types.ts";
import { LibvirtConnectionError, LibvirtError, LibvirtUriError } from "./client/errors.ts";
import { XmlParseError, XmlRenderError } from "./xml/index.ts";

/** An error of the host as an error for the user. `what` says what was being done, to what. */
export function explain(what: string, error: unknown): Error {
  if (error instanceof ProviderError || error instanceof PartialFailure) return error;
  if (error instanceof LibvirtConnectionError) {
    const advice =
      error.kind === "closed"
        ? ""
        : " Nothing was removed from the state; repair the connection and run it again.";
    const message = /[.?!]$/.test(error.message) ? error.message : `${error.message}.`;
    return new ProviderError(`${what}: ${message}${advice}`, "unavailable", error);
  }
  if (error instanceof LibvirtError) {
    return new ProviderError(`${what}: ${error.message}`, "failedPrecondition", error);
  }
  if (error instanceof LibvirtUriError)
    return new ProviderError(`${what}: ${error.message}`, "invalidArgument", error);
  if (error instanceof XmlRenderError || error instanceof XmlParseError) {
    return new ProviderError(`${what}: ${error.message}`, "invalidArgument", error);
  }
  return error instanceof Error ? error : new Error(errorText(error));
}

/** Runs work on the host; what it throws says what was being done. An abort gives the signal's own reason. */
export async function doing<T>(what: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (signal?.aborted === true) throw explain(what, signal.reason);
    throw explain(what, error);
  }
}

/** The handler with errors that name the resource. */
export function explained(kind: string, handler: ResourceHandler): ResourceHandler {
  const run = <Request extends { readonly name: string }, Result>(
    verb: string,
    method: (context: CallContext, request: Request) => Promise<Result>,
  ) => {
    return (context: CallContext, request: Request): Promise<Result> =>
      doing(`${kind} "${request.name}" could not be ${verb}`, () => method(context, request), context.signal);
  };
  const read = handler.read?.bind(handler);
  return {
    check: run("checked", (context, request) => handler.check(context, request)),
    diff: run("compared", (context, request) => handler.diff(context, request)),
    create: run("created", (context, request) => handler.create(context, request)),
    ...(read === undefined ? {} : { read: run("read", read) }),
    update: run("updated", (context, request) => handler.update(context, request)),
    delete: run("deleted", (context, request) => handler.delete(context, request)),
  };
}
