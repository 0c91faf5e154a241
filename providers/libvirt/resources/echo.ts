import { PartialFailure } from "../../plugin/errors.ts";
import type { ResourceHandler } from "../../plugin/types.ts";
import type { PropertyMap } from "../../plugin/values.ts";
import { echoed } from "../schema/outputs.ts";

/**
 * The handler with the few inputs that programs read from a resource repeated in its outputs. In a preview, an output
 * that is not in the state is unknown to the program, and what depends on it would seem to change.
 */
export function echoing(kind: keyof typeof echoed, handler: ResourceHandler): ResourceHandler {
  const repeat = (inputs: PropertyMap): PropertyMap =>
    Object.fromEntries(echoed[kind].map((name) => [name, inputs[name]]));
  const partly = (inputs: PropertyMap) => (error: unknown) => {
    if (!(error instanceof PartialFailure)) throw error;
    const { partial } = error;
    const outputs = { ...repeat(partial.inputs ?? inputs), ...partial.outputs };
    throw new PartialFailure(error.message, { ...partial, outputs });
  };
  const read = handler.read?.bind(handler);
  return {
    check: (context, request) => handler.check(context, request),
    diff: (context, request) => handler.diff(context, request),
    async create(context, request) {
      const made = await handler.create(context, request).catch(partly(request.inputs));
      return { ...made, outputs: { ...repeat(request.inputs), ...made.outputs } };
    },
    ...(read === undefined
      ? {}
      : {
          async read(context, request) {
            const found = await read(context, request).catch(partly(request.inputs));
            return found && { ...found, outputs: { ...repeat(found.inputs), ...found.outputs } };
          },
        }),
    async update(context, request) {
      const updated = await handler.update(context, request).catch(partly(request.inputs));
      return { ...updated, outputs: { ...updated.outputs, ...repeat(request.inputs) } };
    },
    delete: (context, request) => handler.delete(context, request),
  };
}
