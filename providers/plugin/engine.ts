/** The plugin's connection to the engine: log lines out, its end noticed. */
import { connectivityState, credentials, Metadata } from "@grpc/grpc-js";
import { errorText } from "./errors.ts";
import type { LogLine, Severity } from "./log.ts";
import { engineGrpc, enginePb } from "./proto.ts";

const severities: Readonly<Record<Severity, enginePb.LogSeverity>> = {
  debug: 0,
  info: 1,
  warning: 2,
  error: 3,
};

/** How long a line may wait for the engine. */
const sendSeconds = 10;
/** How long the engine may be out of reach before it counts as gone. */
const goneSeconds = 10;

export class EngineConnection {
  readonly address: string;
  readonly #client: engineGrpc.EngineClient;
  #failed = false;
  #closed = false;

  constructor(address: string) {
    this.address = address;
    this.#client = new engineGrpc.EngineClient(address, credentials.createInsecure());
  }

  /** Sends one line. A failure is reported once on standard error: the call that logs must go on. */
  send(line: LogLine): Promise<void> {
    const request = new enginePb.LogRequest();
    request.setSeverity(severities[line.severity]);
    request.setUrn(line.urn);
    request.setMessage(line.message);
    request.setEphemeral(line.ephemeral);
    return new Promise((resolve) => {
      this.#client.log(request, new Metadata(), { deadline: Date.now() + sendSeconds * 1000 }, (error) => {
        if (error !== null && !this.#failed && !this.#closed) {
          this.#failed = true;
          process.stderr.write(`cannot log to the engine at ${this.address}: ${errorText(error)}\n`);
        }
        resolve();
      });
    });
  }

  /** Calls `onGone` when an engine that was connected does not come back. */
  watch(onGone: () => void): void {
    const channel = this.#client.getChannel();
    const look = (lostAt: number | undefined): void => {
      if (this.#closed) return;
      const state = channel.getConnectivityState(true);
      const lost = state === connectivityState.READY ? undefined : (lostAt ?? Date.now());
      if (lost !== undefined && Date.now() - lost > goneSeconds * 1000) {
        onGone();
        return;
      }
      // While it is lost, look again each second; otherwise at the next change.
      const until = lost === undefined ? Number.POSITIVE_INFINITY : Date.now() + 1000;
      channel.watchConnectivityState(state, until, () => look(lost));
    };
    look(undefined);
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }
}
