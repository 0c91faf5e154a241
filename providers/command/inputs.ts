/** Typed reading of checked inputs and of recorded state. */
import { isArray, isObject, type PropertyMap, type PropertyValue, reveal, unwrap } from "../plugin/index.ts";
import type { Logging } from "./fields.ts";

/** What is common to local and remote commands. */
export interface RunInputs {
  readonly stdin: string | undefined;
  readonly logging: Logging;
  readonly environment: Readonly<Record<string, string>>;
  readonly addPreviousOutputInEnv: boolean;
}

export interface LocalInputs extends RunInputs {
  readonly interpreter: readonly string[];
  readonly dir: string | undefined;
  readonly assetPaths: readonly string[] | undefined;
  readonly archivePaths: readonly string[] | undefined;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly privateKey: string | undefined;
  readonly privateKeyPassword: string | undefined;
  readonly agentSocketPath: string | undefined;
  readonly dialErrorLimit: number;
  readonly perDialTimeoutSeconds: number;
  readonly hostKey: string | undefined;
}

export interface Connection extends Endpoint {
  readonly proxy: Endpoint | undefined;
}

export interface RemoteInputs extends RunInputs {
  readonly connection: Connection;
}

export function text(value: PropertyValue | undefined): string | undefined {
  const plain = unwrap(value);
  return typeof plain === "string" ? plain : undefined;
}

function integer(value: PropertyValue | undefined, fallback: number): number {
  const plain = unwrap(value);
  return typeof plain === "number" ? Math.trunc(plain) : fallback;
}

function texts(value: PropertyValue | undefined): string[] | undefined {
  const plain = unwrap(value);
  return isArray(plain) ? plain.map((item) => text(item) ?? "") : undefined;
}

function textMap(value: PropertyValue | undefined): Record<string, string> {
  const plain = unwrap(value);
  if (!isObject(plain)) return {};
  return Object.fromEntries(Object.entries(plain).map(([key, item]) => [key, text(item) ?? ""]));
}

function loggingOf(value: PropertyValue | undefined): Logging {
  switch (text(value)) {
    case "stdout":
      return "stdout";
    case "stderr":
      return "stderr";
    case "none":
      return "none";
    default:
      return "stdoutAndStderr";
  }
}

function runInputs(object: PropertyMap): RunInputs {
  return {
    stdin: text(object.stdin),
    logging: loggingOf(object.logging),
    environment: textMap(object.environment),
    addPreviousOutputInEnv: unwrap(object.addPreviousOutputInEnv) !== false,
  };
}

export function localInputs(object: PropertyMap): LocalInputs {
  const interpreter = texts(object.interpreter) ?? [];
  return {
    ...runInputs(object),
    interpreter,
    dir: text(object.dir),
    assetPaths: texts(object.assetPaths),
    archivePaths: texts(object.archivePaths),
  };
}

export function remoteInputs(object: PropertyMap): RemoteInputs {
  return { ...runInputs(object), connection: connectionOf(object) };
}

/** The connection of a resource's inputs or state. */
export function connectionOf(object: PropertyMap): Connection {
  const connection = unwrap(object.connection);
  const plain = isObject(connection) ? reveal(connection) : {};
  return { ...endpoint(plain), proxy: isObject(plain.proxy) ? endpoint(plain.proxy) : undefined };
}

function endpoint(object: PropertyMap): Endpoint {
  return {
    host: text(object.host) ?? "",
    port: integer(object.port, 22),
    user: text(object.user) ?? "root",
    password: text(object.password),
    privateKey: text(object.privateKey),
    privateKeyPassword: text(object.privateKeyPassword),
    agentSocketPath: text(object.agentSocketPath),
    dialErrorLimit: integer(object.dialErrorLimit, 10),
    perDialTimeoutSeconds: integer(object.perDialTimeout, 15),
    hostKey: text(object.hostKey),
  };
}
