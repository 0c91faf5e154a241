import { createServer, type Server } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Mirror } from "../../../images/mirror.ts";

/**
 * A package mirror on this machine that passes every question on to another mirror, and nothing else. With a moment it
 * has the layout of snapshot.debian.org, and what the other mirror has is what there was at that moment.
 */
export class MirrorProxy {
  readonly #server: Server;
  readonly #path: RegExp;
  /** Files that it served. */
  served = 0;

  /** @param moment such as 20260901T000000Z */
  constructor(mirror: Mirror, moment?: string) {
    this.#path =
      moment === undefined
        ? /^\/(debian|debian-security)\/(.*)$/
        : new RegExp(`^/archive/(debian|debian-security)/${moment}/(.*)$`);
    this.#server = createServer((request, response) => {
      this.#answer(mirror, request.url ?? "").then(
        async (upstream) => {
          response.writeHead(upstream.status, headersOf(upstream));
          if (upstream.ok) this.served += 1;
          if (upstream.body === null) response.end();
          else await pipeline(Readable.fromWeb(upstream.body), response).catch(() => response.destroy());
        },
        () => response.writeHead(502).end(),
      );
    });
  }

  async #answer(mirror: Mirror, path: string): Promise<Response> {
    const [, archive, rest] = this.#path.exec(path) ?? [];
    if (archive === undefined || rest === undefined || rest.includes(".."))
      return new Response(null, { status: 404 });
    const base = archive === "debian" ? mirror.main : mirror.security;
    return await fetch(`${base}/${rest}`, { headers: { "accept-encoding": "identity" } });
  }

  /** Starts to serve. @returns the port on the loopback interface */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) throw new Error("the mirror has no port");
    return address.port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function headersOf(upstream: Response): Record<string, string> {
  const kept = ["content-length", "last-modified", "etag"];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = upstream.headers.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
}
