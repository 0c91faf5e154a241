/** The process of a plugin: its command line and its end. */
import { fstatSync } from "node:fs";
import { parseArguments, usage } from "./arguments.ts";
import { errorText } from "./errors.ts";
import { startServer } from "./server.ts";
import type { PluginDefinition } from "./types.ts";

/** The engine waits 5 s for a plugin that it interrupts, then kills it. */
const stopSeconds = 4;
/** How often the parent process is looked at. */
const parentSeconds = 2;

/**
 * Runs a plugin until the engine goes away. Call it from `main.ts` with nothing else.
 * @param args command line without program and script; default the process's own.
 */
export function runPlugin(plugin: PluginDefinition, args: readonly string[] = process.argv.slice(2)): void {
  const invocation = parseArguments(args);
  switch (invocation.kind) {
    case "help":
      process.stdout.write(usage(plugin.name, plugin.version));
      break;
    case "version":
      process.stdout.write(`${plugin.version}\n`);
      break;
    case "byHand":
      process.stderr.write(usage(plugin.name, plugin.version));
      process.exitCode = 2;
      break;
    default:
      serve(plugin, invocation.kind === "serve" ? invocation.engineAddress : undefined).catch(
        (error: unknown) => {
          process.stderr.write(`plugin ${plugin.name} cannot serve: ${errorText(error)}\n`);
          process.exit(1);
        },
      );
  }
}

async function serve(plugin: PluginDefinition, engineAddress: string | undefined): Promise<void> {
  let stopping = false;
  const stop = (reason: string): void => {
    if (stopping) return;
    stopping = true;
    server.stop(reason, stopSeconds).then(
      (idle) => process.exit(idle ? 0 : 1),
      (error: unknown) => {
        process.stderr.write(`plugin ${plugin.name}: ${errorText(error)}\n`);
        process.exit(1);
      },
    );
  };
  const attached = engineAddress === undefined;
  const server = await startServer(
    plugin,
    attached ? {} : { engineAddress, onEngineGone: () => stop("the engine is gone") },
  );
  process.on("SIGINT", () => stop("interrupted"));
  process.on("SIGTERM", () => stop("terminated"));
  if (!attached) watchParent(() => stop("the engine is gone"));
  process.stdout.write(`${server.port}\n`);
}

/** The engine holds the other end of our standard input and is our parent: the end of either is its end. */
function watchParent(onGone: () => void): void {
  const stdin = fstatSync(0);
  if (stdin.isFIFO() || stdin.isSocket()) {
    process.stdin.on("end", onGone).on("error", onGone).resume();
  }
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) onGone();
  }, parentSeconds * 1000).unref();
}
