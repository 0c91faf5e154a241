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
    return new ProviderError(`${what}: ${error.message}${busyAdvice(error)}`, "failedPrecondition", error);
  }
  if (error instanceof LibvirtUriError)
    return new ProviderError(`${what}: ${error.message}`, "invalidArgument", error);
  if (error instanceof XmlRenderError || error instanceof XmlParseError) {
    return new ProviderError(`${what}: ${error.message}`, "invalidArgument", error);
  }
  return error instanceof Error ? error : new Error(errorText(error));
}

/** libvirt's next daemon holds a guest whose start it had just begun when it was killed, and lets nobody at it. */
function busyAdvice({ codeName, target, text }: LibvirtError): string {
  const [, name] = /^domain (.+)$/.exec(target) ?? [];
  if (codeName !== "VIR_ERR_OPERATION_TIMEOUT" || name === undefined || !/state change lock/.test(text))
    return "";
  return (
    `. Something else works on it: wait and run it again. Where "virsh domstate --reason ${name}" says "paused (starting up)" and it ` +
    "stays so, libvirt was killed while it started the machine, and holds it for ever: as root on the host, remove " +
    `/run/libvirt/qemu/${name}.xml and restart libvirtd (or virtqemud), which leaves other machines alone`
  );
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
