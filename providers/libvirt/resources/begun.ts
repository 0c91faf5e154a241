import { PartialFailure } from "../../plugin/errors.ts";
import type { CallContext, DeleteRequest, ResourceHandler } from "../../plugin/types.ts";
import type { PropertyMap } from "../../plugin/values.ts";
import { LibvirtConnectionError } from "../client/errors.ts";
import { explain } from "../errors.ts";

/**
 * State of a resource whose creation was begun and whose end was never recorded. What of it is on the host, if anything,
 * is found by the marks. Nothing else is known: no UUID, no generation.
 */
export const begunState: PropertyMap = { begun: true };

const isBegun = (state: PropertyMap): boolean => state.begun === true;

/** What a creation left on the host, each as the state in which the handler deletes it. By owner and URN, never by name alone. */
export type FindBegun = (context: CallContext, request: DeleteRequest) => Promise<readonly PropertyMap[]>;

/**
 * The error of a creation. Where it was cut off, or its connection broke, something may have been made: the state records
 * it as begun then, so that a delete removes it.
 *
 * @param made What was to be made; the host was reached for it.
 */
export function brokenOff(
  context: CallContext,
  made: { readonly id: string; readonly urn: string },
  error: unknown,
): unknown {
  const { aborted, reason } = context.signal;
  if (error instanceof PartialFailure || !(aborted || error instanceof LibvirtConnectionError)) return error;
  const [type = "", name = ""] = made.urn.split("::").slice(2);
  const what = `${type.split(":").at(-1)} "${name}" could not be created`;
  const { message } = explain(what, aborted ? reason : error);
  return new PartialFailure(message, { id: made.id, outputs: begunState });
}

/**
 * The handler for states of `begunState` too. An update goes on with the creation, as a new create would, so a volume
 * that was half uploaded never passes for a whole one; a delete removes what is there. A read leaves the record as it
 * is: the next update or delete looks for itself.
 */
export function resuming(handler: ResourceHandler, find: FindBegun): ResourceHandler {
  const read = handler.read?.bind(handler);
  return {
    check: (context, request) => handler.check(context, request),
    async diff(context, request) {
      const result = await handler.diff(context, request);
      if (!isBegun(request.state)) return result;
      const detailedDiff = { ...result.detailedDiff, begun: { kind: "delete" as const } };
      return { ...result, changes: "some", detailedDiff, stables: [] };
    },
    create: (context, request) => handler.create(context, request),
    ...(read === undefined
      ? {}
      : {
          async read(context, request) {
            if (!isBegun(request.state)) return read(context, request);
            return { id: request.id, outputs: request.state, inputs: request.inputs };
          },
        }),
    async update(context, request) {
      if (!isBegun(request.state)) return handler.update(context, request);
      const { inputs, name, type, urn } = request;
      const { id: _id, ...made } = await handler.create(context, { inputs, name, type, urn });
      return made;
    },
    async delete(context, request) {
      if (!isBegun(request.state)) return handler.delete(context, request);
      for (const state of await find(context, request)) await handler.delete(context, { ...request, state });
    },
  };
}
