/** A stand-in for the engine's side of the plugin protocol: collects what plugins log. */
import { Server, ServerCredentials, type sendUnaryData } from "@grpc/grpc-js";
import { emptyPb, engineGrpc, type enginePb } from "../../providers/plugin/proto.ts";
import { waitFor } from "./wait.ts";

export interface LoggedLine {
  readonly severity: "debug" | "info" | "warning" | "error";
  readonly urn: string;
  readonly message: string;
  readonly ephemeral: boolean;
}

const severities = ["debug", "info", "warning", "error"] as const;

export class FakeEngine {
  readonly address: string;
  readonly lines: LoggedLine[] = [];
  readonly #server: Server;

  private constructor(server: Server, port: number, lines: LoggedLine[]) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    this.lines = lines;
  }

  static async start(): Promise<FakeEngine> {
    const lines: LoggedLine[] = [];
    const server = new Server();
    server.addService(engineGrpc.EngineService, {
      log(call: { request: enginePb.LogRequest }, callback: sendUnaryData<emptyPb.Empty>) {
        const { request } = call;
        lines.push({
          severity: severities[request.getSeverity()] ?? "error",
          urn: request.getUrn(),
          message: request.getMessage(),
          ephemeral: request.getEphemeral(),
        });
        callback(null, new emptyPb.Empty());
      },
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new FakeEngine(server, port, lines);
  }

  /** Everything logged for a resource, status lines left out. */
  text(urn?: string): string {
    return this.lines
      .filter((line) => !line.ephemeral && (urn === undefined || line.urn === urn))
      .map((line) => line.message)
      .join("\n");
  }

  /** Waits until a line contains the text. */
  async waitForLine(text: string): Promise<void> {
    await waitFor(`a log line with "${text}"`, () => this.lines.some((line) => line.message.includes(text)));
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
