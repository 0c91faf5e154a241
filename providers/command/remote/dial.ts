/** Connects to a host, through a bastion if there is one; only this is ever retried. */
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type AnyAuthMethod, Client, type ConnectConfig, utils } from "ssh2";
import { type CallContext, errorText, ProviderError } from "../../plugin/index.ts";
import type { Connection, Endpoint } from "../inputs.ts";
import { describeKey, type HostKey, parseHostKey } from "./host-key.ts";

/** Delays between attempts: the first, the growth, the longest (milliseconds). */
const retryDelay = { first: 100, factor: 1.5, longest: 5000 };
/** A silent host is given up after interval times count. Long commands may be silent, their host may not. */
const keepAlive = { intervalMilliseconds: 15_000, count: 4 };

/** An error that another attempt cannot mend. */
class FinalError extends ProviderError {}

/** A connection to the host; `close` ends it and the one to the bastion. */
export interface Session {
  readonly client: Client;
  /** For messages. */
  readonly name: string;
  close(): void;
}

/**
 * Connects. Refused connections, time-outs and refused logins are tried again as `dialErrorLimit` says; a wrong host
 * key or an unreadable private key is not.
 * @throws {ProviderError}
 */
export async function connect(context: CallContext, connection: Connection): Promise<Session> {
  const name = nameOf(connection);
  const login = loginOf(connection, name);
  const { proxy } = connection;
  if (proxy === undefined) {
    const client = await retrying(context, `connect to ${name}`, connection, () =>
      handshake(context, connection, login),
    );
    return { client, name, close: () => client.end() };
  }
  const proxyName = `proxy ${nameOf(proxy)}`;
  const proxyLogin = loginOf(proxy, proxyName);
  const bastion = await retrying(context, `connect to ${proxyName}`, proxy, () =>
    handshake(context, proxy, proxyLogin),
  );
  try {
    const client = await retrying(context, `connect to ${name} through ${proxyName}`, connection, async () =>
      handshake(context, connection, login, await forward(bastion, connection)),
    );
    const close = () => {
      client.end();
      bastion.end();
    };
    return { client, name, close };
  } catch (error) {
    bastion.end();
    throw error;
  }
}

function nameOf({ user, host, port }: Endpoint): string {
  return `${user}@${host.includes(":") ? `[${host}]` : host}:${port}`;
}

interface Login {
  readonly methods: AnyAuthMethod[];
  readonly hostKey: HostKey | undefined;
}

/** Checks what can be checked without a connection. */
function loginOf(endpoint: Endpoint, name: string): Login {
  const { user: username, password, privateKey, privateKeyPassword } = endpoint;
  const methods: AnyAuthMethod[] = [];
  if (privateKey !== undefined) {
    const parsed = utils.parseKey(privateKey, privateKeyPassword);
    if (parsed instanceof Error) {
      throw new ProviderError(
        `the private key for ${name} cannot be used: ${parsed.message}; check privateKey and privateKeyPassword`,
        "invalidArgument",
      );
    }
    methods.push({ type: "publickey", username, key: parsed });
  }
  const agent = endpoint.agentSocketPath ?? (process.env.SSH_AUTH_SOCK || undefined);
  if (agent !== undefined) methods.push({ type: "agent", username, agent });
  if (password !== undefined) {
    methods.push({ type: "password", username, password });
    methods.push({
      type: "keyboard-interactive",
      username,
      prompt: (_name, _instructions, _language, prompts, finish) => finish(prompts.map(() => password)),
    });
  }
  if (methods.length === 0) methods.push({ type: "none", username });
  return {
    methods,
    hostKey: endpoint.hostKey === undefined ? undefined : parseHostKey(endpoint.hostKey),
  };
}

async function retrying<Result>(
  context: CallContext,
  what: string,
  { dialErrorLimit }: Endpoint,
  attempt: () => Promise<Result>,
): Promise<Result> {
  let delay = retryDelay.first;
  for (let failed = 1; ; failed++) {
    context.signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      context.signal.throwIfAborted();
      if (error instanceof FinalError) throw error;
      if (dialErrorLimit >= 0 && failed > dialErrorLimit) {
        throw new ProviderError(
          `cannot ${what} after ${failed} attempts: ${errorText(error)}`,
          "unavailable",
        );
      }
      const limit = dialErrorLimit < 0 ? "any number of" : dialErrorLimit;
      context.logger.status(`${what}: ${errorText(error)}; trying again (${failed} of ${limit} retries)`);
      await sleep(delay, undefined, { signal: context.signal }).catch(() => {});
      delay = Math.min(delay * retryDelay.factor, retryDelay.longest);
    }
  }
}

/** A channel of the bastion to the host. */
function forward(bastion: Client, { host, port }: Endpoint): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    bastion.forwardOut("127.0.0.1", 0, host, port, (error, channel) =>
      error === undefined ? resolve(channel) : reject(error),
    );
  });
}

/** One attempt: connection, host key, login. */
function handshake(context: CallContext, endpoint: Endpoint, login: Login, socket?: Duplex): Promise<Client> {
  const client = new Client();
  let wrongKey: string | undefined;
  const config = configOf(endpoint, login, (seen) => {
    wrongKey = seen;
  });
  return new Promise<Client>((resolve, reject) => {
    const finish = (error?: Error) => {
      context.signal.removeEventListener("abort", onAbort);
      client.removeAllListeners("ready").removeAllListeners("close");
      if (error === undefined) return resolve(client);
      // Later errors of a dead connection say nothing new, but must not end the process.
      client.removeAllListeners("error").on("error", () => {});
      client.destroy();
      socket?.destroy();
      reject(wrongKey === undefined ? explain(error, endpoint, login) : mismatch(endpoint, login, wrongKey));
      return undefined;
    };
    const onAbort = () => finish(new Error("cancelled"));
    context.signal.addEventListener("abort", onAbort, { once: true });
    client.once("ready", () => finish());
    client.once("error", finish);
    client.once("close", () => finish(new Error("the server closed the connection during the handshake")));
    client.connect(socket === undefined ? config : { ...config, sock: socket });
  });
}

function configOf(endpoint: Endpoint, login: Login, onWrongKey: (seen: string) => void): ConnectConfig {
  const { hostKey, methods } = login;
  return {
    host: endpoint.host,
    port: endpoint.port,
    username: endpoint.user,
    readyTimeout: endpoint.perDialTimeoutSeconds * 1000,
    keepaliveInterval: keepAlive.intervalMilliseconds,
    keepaliveCountMax: keepAlive.count,
    authHandler: methods,
    ...(hostKey === undefined ? {} : { algorithms: { serverHostKey: [...hostKey.algorithms] } }),
    hostVerifier: (key: Buffer) => {
      if (hostKey === undefined || key.equals(hostKey.blob)) return true;
      onWrongKey(describeKey(key));
      return false;
    },
  };
}

function mismatch(endpoint: Endpoint, login: Login, seen: string): FinalError {
  return new FinalError(
    `${nameOf(endpoint)} has another host key than connection.hostKey says: expected ` +
      `${login.hostKey === undefined ? "none" : describeKey(login.hostKey.blob)}, the server has ${seen}. ` +
      "Either this is not the machine that was meant, or its key was changed: find out which, then correct the key",
    "failedPrecondition",
  );
}

function explain(error: Error, endpoint: Endpoint, login: Login): Error {
  if (/no matching .*host key/i.test(error.message) && login.hostKey !== undefined) {
    return new FinalError(
      `${nameOf(endpoint)} has no host key of type ${login.hostKey.type}, which connection.hostKey asks for; ` +
        "give a key that the server has (ssh-keyscan lists them)",
      "failedPrecondition",
    );
  }
  if (/authentication methods failed/i.test(error.message)) {
    const tried = login.methods.map((method) => (typeof method === "string" ? method : method.type));
    return new Error(
      tried.includes("none")
        ? "login refused: the connection names no privateKey, no password and no agent"
        : `login refused (tried ${tried.join(", ")})`,
    );
  }
  return error;
}
