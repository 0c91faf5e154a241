/** A plugin's server on the loopback, without the process around it. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { Calls } from "./calls.ts";
import { EngineConnection } from "./engine.ts";
import { ProviderError } from "./errors.ts";
import { LogQueue } from "./log.ts";
import { providerGrpc } from "./proto.ts";
import { createService } from "./service.ts";
import type { PluginDefinition } from "./types.ts";

/** The engine's own limit for messages. */
const messageBytes = 400 * 1024 * 1024;

export interface PluginServer {
  readonly port: number;
  /**
   * Aborts what is under way with the reason, waits for it at most so many seconds, and closes everything.
   * Returns false when calls did not end in time.
   */
  stop(reason: string, waitSeconds: number): Promise<boolean>;
}

export interface ServerOptions {
  /** Address of the engine; without it log lines wait for Handshake or Attach, and are dropped until then. */
  readonly engineAddress?: string;
  /** Called when the engine was connected and does not come back. */
  readonly onEngineGone?: () => void;
}

/** Starts to serve on a free port of 127.0.0.1. */
export async function startServer(
  plugin: PluginDefinition,
  options: ServerOptions = {},
): Promise<PluginServer> {
  let engine: EngineConnection | undefined;
  const connectEngine = (address: string): void => {
    if (address === "" || engine?.address === address) return;
    engine?.close();
    engine = new EngineConnection(address);
    if (options.onEngineGone !== undefined) engine.watch(options.onEngineGone);
  };
  const log = new LogQueue(async (line) => engine?.send(line));
  const calls = new Calls(log);
  const cancel = () => calls.stop(new ProviderError("cancelled by the user", "cancelled"));

  const server = new Server({
    "grpc.max_receive_message_length": messageBytes,
    "grpc.max_send_message_length": messageBytes,
  });
  server.addService(
    providerGrpc.ResourceProviderService,
    createService(plugin, { calls, connectEngine, cancel }),
  );
  const port = await bind(server);
  connectEngine(options.engineAddress ?? "");

  return {
    port,
    async stop(reason, waitSeconds) {
      calls.stop(new ProviderError(reason, "cancelled"));
      const idle = await within(calls.idle(), waitSeconds);
      await plugin.close?.();
      server.forceShutdown();
      engine?.close();
      return idle;
    },
  };
}

function bind(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
}

async function within(work: Promise<void>, seconds: number): Promise<boolean> {
  const done = work.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), seconds * 1000);
  });
  try {
    return await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
