/** The gRPC service of a plugin: routes calls to its definition. */
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { CallOptions, Calls } from "./calls.ts";
import { decodeProperties } from "./codec.ts";
import { diffProperties } from "./diff.ts";
import { ProviderError } from "./errors.ts";
import * as messages from "./messages.ts";
import { type emptyPb, pluginPb, providerPb } from "./proto.ts";
import type { FunctionHandler, PluginDefinition, ResourceHandler } from "./types.ts";

/** What the service asks of the process around it. */
export interface ServiceHost {
  readonly calls: Calls;
  /** The engine's address, from the handshake or from Attach. */
  connectEngine(address: string): void;
  /** The engine asked to stop what is under way. */
  cancel(): void;
}

/** Builds the handlers of `ResourceProviderService`; methods that are missing here answer UNIMPLEMENTED. */
export function createService(plugin: PluginDefinition, host: ServiceHost): UntypedServiceImplementation {
  return { ...pluginMethods(plugin, host), ...configMethods(plugin, host), ...resourceMethods(plugin, host) };
}

const noOptions = (): CallOptions => ({});
const withUrn = (request: { getUrn(): string }): CallOptions => ({ urn: request.getUrn() });

function pluginMethods(plugin: PluginDefinition, host: ServiceHost): UntypedServiceImplementation {
  const { calls } = host;
  return {
    handshake: calls.unary(noOptions, async (_, request: providerPb.ProviderHandshakeRequest) => {
      host.connectEngine(request.getEngineAddress());
      const response = new providerPb.ProviderHandshakeResponse();
      // Output values and resource references would only be unwrapped here: let the engine do that.
      response.setAcceptSecrets(true);
      return response;
    }),
    attach: calls.unary(noOptions, async (_, request: pluginPb.PluginAttach) => {
      host.connectEngine(request.getAddress());
      return messages.empty();
    }),
    getPluginInfo: calls.unary(noOptions, async (_: unknown, _request: emptyPb.Empty) => {
      const info = new pluginPb.PluginInfo();
      info.setVersion(plugin.version);
      return info;
    }),
    getSchema: calls.unary(noOptions, async (_, request: providerPb.GetSchemaRequest) => {
      if (request.getVersion() !== 0) {
        throw new ProviderError(`schema version ${request.getVersion()} is not known`, "invalidArgument");
      }
      const response = new providerPb.GetSchemaResponse();
      response.setSchema(typeof plugin.schema === "string" ? plugin.schema : await plugin.schema());
      return response;
    }),
    cancel: calls.unary(noOptions, async (_: unknown, _request: emptyPb.Empty) => {
      host.cancel();
      return messages.empty();
    }),
    invoke: calls.unary(
      (request: providerPb.InvokeRequest) => ({ preview: request.getPreview(), stopsAtCancel: true }),
      async (context, request) =>
        messages.invokeResponse(
          await functionOf(plugin, request.getTok())(context, decodeProperties(request.getArgs())),
        ),
    ),
  };
}

function configMethods(plugin: PluginDefinition, host: ServiceHost): UntypedServiceImplementation {
  const { calls } = host;
  return {
    checkConfig: calls.unary(withUrn, async (context, request: providerPb.CheckRequest) => {
      const check = messages.checkRequest(request);
      return messages.checkResponse((await plugin.checkConfig?.(context, check)) ?? { inputs: check.news });
    }),
    diffConfig: calls.unary(withUrn, async (context, request: providerPb.DiffRequest) => {
      const diff = messages.diffRequest(request);
      const olds = request.hasOldInputs() ? diff.oldInputs : diff.state;
      return messages.diffResponse(
        (await plugin.diffConfig?.(context, diff)) ?? { detailedDiff: diffProperties(olds, diff.news) },
      );
    }),
    configure: calls.unary(
      (request: providerPb.ConfigureRequest) => ({ urn: request.getUrn() ?? "" }),
      async (context, request) => {
        await plugin.configure?.(context, { config: decodeProperties(request.getArgs()) });
        const response = new providerPb.ConfigureResponse();
        response.setAcceptsecrets(true);
        response.setSupportspreview(true);
        return response;
      },
    ),
  };
}

interface ChangeMessage {
  getUrn(): string;
  getTimeout(): number;
  getPreview?(): boolean;
}

const changeOptions = (request: ChangeMessage): CallOptions => ({
  urn: request.getUrn(),
  timeoutSeconds: request.getTimeout(),
  preview: request.getPreview?.() ?? false,
  stopsAtCancel: true,
});

function resourceMethods(plugin: PluginDefinition, host: ServiceHost): UntypedServiceImplementation {
  const { calls } = host;
  const handler = (request: { getUrn(): string; getName(): string; getType(): string }) =>
    resourceOf(plugin, messages.identity(request).type);
  return {
    check: calls.unary(withUrn, async (context, request: providerPb.CheckRequest) =>
      messages.checkResponse(await handler(request).check(context, messages.checkRequest(request))),
    ),
    diff: calls.unary(withUrn, async (context, request: providerPb.DiffRequest) =>
      messages.diffResponse(await handler(request).diff(context, messages.diffRequest(request))),
    ),
    create: calls.unary(changeOptions, async (context, request: providerPb.CreateRequest) =>
      messages.createResponse(await handler(request).create(context, messages.createRequest(request))),
    ),
    read: calls.unary(changeOptions, async (context, request: providerPb.ReadRequest) => {
      const read = messages.readRequest(request);
      const resource = handler(request);
      if (resource.read !== undefined) return messages.readResponse(await resource.read(context, read));
      if (Object.keys(read.state).length === 0) {
        throw new ProviderError(`resources of type ${read.type} cannot be imported`, "unimplemented");
      }
      return messages.readResponse({ id: read.id, outputs: read.state, inputs: read.inputs });
    }),
    update: calls.unary(changeOptions, async (context, request: providerPb.UpdateRequest) =>
      messages.updateResponse(await handler(request).update(context, messages.updateRequest(request))),
    ),
    delete: calls.unary(changeOptions, async (context, request: providerPb.DeleteRequest) => {
      await handler(request).delete(context, messages.deleteRequest(request));
      return messages.empty();
    }),
  };
}

function resourceOf(plugin: PluginDefinition, type: string): ResourceHandler {
  const handler = Object.hasOwn(plugin.resources, type) ? plugin.resources[type] : undefined;
  if (handler !== undefined) return handler;
  throw unknownToken(plugin, "resource type", type, Object.keys(plugin.resources));
}

function functionOf(plugin: PluginDefinition, token: string): FunctionHandler {
  const functions = plugin.functions ?? {};
  const handler = Object.hasOwn(functions, token) ? functions[token] : undefined;
  if (handler !== undefined) return handler;
  throw unknownToken(plugin, "function", token, Object.keys(functions));
}

function unknownToken(plugin: PluginDefinition, what: string, token: string, known: string[]): ProviderError {
  return new ProviderError(
    `plugin ${plugin.name} ${plugin.version} has no ${what} ${token}; it has: ${known.sort().join(", ") || "none"}`,
    "unimplemented",
  );
}
