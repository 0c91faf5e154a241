import { ProviderError } from "../plugin/errors.ts";
import type {
  CallContext,
  ConfigureRequest,
  FunctionHandler,
  PluginDefinition,
  ResourceHandler,
} from "../plugin/types.ts";
import { createLibvirtClient, type LibvirtClient } from "./client/index.ts";
import { checkConfig, diffConfig, readConfig } from "./configuration.ts";
import type { ContextSource, ProviderContext } from "./context.ts";
import { doing, explained } from "./errors.ts";
import { getDomainAddresses, getHost } from "./functions/index.ts";
import { readCache } from "./host.ts";
import { domainHandler } from "./resources/domain/index.ts";
import { echoing } from "./resources/echo.ts";
import { networkHandler } from "./resources/network/index.ts";
import { poolHandler } from "./resources/pool/index.ts";
import { volumeHandler } from "./resources/volume/index.ts";
import { RolloutRegistry } from "./rollout.ts";
import { packageName, packageVersion, schemaText } from "./schema/pulumi-schema.ts";

/** Makes a client that dials at its first call. Tests give another one. */
export type Connect = (uri: string, onWarning: (text: string) => void) => LibvirtClient;

const connectLibvirt: Connect = (uri, onWarning) => createLibvirtClient(uri, { onWarning });

/** The libvirt provider. */
export function libvirtPlugin(connect: Connect = connectLibvirt): PluginDefinition {
  const configured = new Configured(connect);
  const source: ContextSource = () => configured.context();
  const token = (name: string) => `${packageName}:index:${name}`;
  return {
    name: packageName,
    version: packageVersion,
    schema: schemaText,
    checkConfig: async (_context, request) => checkConfig(request),
    diffConfig: async (_context, request) => diffConfig(request),
    configure: (context, request) => configured.configure(context, request),
    resources: {
      [token("Pool")]: resource("Pool", poolHandler(source)),
      [token("Volume")]: resource("Volume", volumeHandler(source)),
      [token("Network")]: resource("Network", networkHandler(source)),
      [token("Domain")]: resource("Domain", domainHandler(source)),
    },
    functions: {
      [token("getHost")]: asked("getHost", getHost(source)),
      [token("getDomainAddresses")]: asked("getDomainAddresses", getDomainAddresses(source)),
    },
    close: () => configured.close(),
  };
}

function resource(kind: Parameters<typeof echoing>[0], handler: ResourceHandler): ResourceHandler {
  return explained(kind, echoing(kind, handler));
}

function asked(name: string, handler: FunctionHandler): FunctionHandler {
  return (context, args) => doing(`${name} failed`, () => handler(context, args), context.signal);
}

/** Holds what Configure made. */
class Configured {
  readonly #connect: Connect;
  #make: (() => ProviderContext) | undefined;
  #context: ProviderContext | undefined;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  async configure(call: CallContext, request: ConfigureRequest): Promise<void> {
    await this.close();
    // Made at the first use: nothing is dialled, and a preview that needs no host never fails for it.
    this.#make = () => {
      const config = readConfig(request.config);
      const client = this.#connect(config.uri, (text) => call.logger.warning(text));
      return { config, client, cache: readCache(client), rollout: new RolloutRegistry() };
    };
  }

  context(): ProviderContext {
    if (this.#make === undefined) {
      throw new ProviderError(
        "the provider was used before it was configured; report this defect",
        "internal",
      );
    }
    this.#context ??= this.#make();
    return this.#context;
  }

  async close(): Promise<void> {
    const context = this.#context;
    this.#context = undefined;
    await context?.client.close();
  }
}
