/** Drives a plugin through the protocol's client, as the engine does. */
import { type ChildProcess, spawn } from "node:child_process";
import { credentials, type ServiceError } from "@grpc/grpc-js";
import { decodeProperties, encodeProperties } from "../../providers/plugin/codec.ts";
import { emptyPb, pluginPb, providerGrpc, providerPb, statusPb } from "../../providers/plugin/proto.ts";
import { type PluginServer, startServer } from "../../providers/plugin/server.ts";
import type { CheckFailure, DiffKind, PluginDefinition } from "../../providers/plugin/types.ts";
import type { PropertyMap } from "../../providers/plugin/values.ts";
import { FakeEngine } from "./fake-engine.ts";

const kinds: readonly DiffKind[] = [
  "add",
  "addReplace",
  "delete",
  "deleteReplace",
  "update",
  "updateReplace",
];
const changeNames = ["unknown", "none", "some"] as const;

export interface Options {
  readonly preview?: boolean;
  readonly timeoutSeconds?: number;
  readonly ignoreChanges?: string[];
}

/** An error as the engine sees it, with the details of a partial failure. */
export interface WireError {
  readonly code: number;
  readonly message: string;
  readonly partial?: { id: string; outputs: PropertyMap; inputs: PropertyMap | undefined; reasons: string[] };
}

/** URN of a resource of the given type in a made-up stack. */
export function urnOf(type: string, name: string): string {
  return `urn:pulumi:dev::project::${type}::${name}`;
}

type Done<Response> = (error: ServiceError | null, response: Response) => void;

/** A promise for one call. */
export function unary<Response>(start: (done: Done<Response>) => unknown): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}

export class PluginClient {
  readonly raw: providerGrpc.ResourceProviderClient;

  constructor(port: number) {
    this.raw = new providerGrpc.ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
  }

  close(): void {
    this.raw.close();
  }

  async handshake(engineAddress = ""): Promise<providerPb.ProviderHandshakeResponse.AsObject> {
    const request = new providerPb.ProviderHandshakeRequest();
    request.setEngineAddress(engineAddress);
    return (
      await unary<providerPb.ProviderHandshakeResponse>((done) => this.raw.handshake(request, done))
    ).toObject();
  }

  async attach(address: string): Promise<void> {
    const request = new pluginPb.PluginAttach();
    request.setAddress(address);
    await unary<emptyPb.Empty>((done) => this.raw.attach(request, done));
  }

  async schema(): Promise<unknown> {
    const request = new providerPb.GetSchemaRequest();
    return JSON.parse(
      (await unary<providerPb.GetSchemaResponse>((done) => this.raw.getSchema(request, done))).getSchema(),
    );
  }

  async version(): Promise<string> {
    return (
      await unary<pluginPb.PluginInfo>((done) => this.raw.getPluginInfo(new emptyPb.Empty(), done))
    ).getVersion();
  }

  async cancel(): Promise<void> {
    await unary<emptyPb.Empty>((done) => this.raw.cancel(new emptyPb.Empty(), done));
  }

  async configure(config: PropertyMap = {}): Promise<providerPb.ConfigureResponse.AsObject> {
    const request = new providerPb.ConfigureRequest();
    request.setArgs(encodeProperties(config));
    return (
      await unary<providerPb.ConfigureResponse>((done) => this.raw.configure(request, done))
    ).toObject();
  }

  async checkConfig(olds: PropertyMap, news: PropertyMap) {
    return this.#checkWith("checkConfig", "urn:pulumi:dev::project::pulumi:providers:x::p", olds, news);
  }

  async check(urn: string, olds: PropertyMap, news: PropertyMap) {
    return this.#checkWith("check", urn, olds, news);
  }

  async #checkWith(
    method: "check" | "checkConfig",
    urn: string,
    olds: PropertyMap,
    news: PropertyMap,
  ): Promise<{ inputs: PropertyMap; failures: CheckFailure[] }> {
    const request = new providerPb.CheckRequest();
    request.setUrn(urn);
    request.setOlds(encodeProperties(olds));
    request.setNews(encodeProperties(news));
    const response = await unary<providerPb.CheckResponse>((done) => this.raw[method](request, done));
    return {
      inputs: decodeProperties(response.getInputs()),
      failures: response.getFailuresList().map((failure) => failure.toObject()),
    };
  }

  async diffConfig(oldInputs: PropertyMap, news: PropertyMap) {
    return this.#diffWith("diffConfig", "urn:pulumi:dev::project::pulumi:providers:x::p", {
      id: "p",
      state: oldInputs,
      oldInputs,
      news,
    });
  }

  async diff(
    urn: string,
    data: { id: string; state: PropertyMap; oldInputs: PropertyMap; news: PropertyMap },
    options: Options = {},
  ) {
    return this.#diffWith("diff", urn, data, options);
  }

  async #diffWith(
    method: "diff" | "diffConfig",
    urn: string,
    data: { id: string; state: PropertyMap; oldInputs: PropertyMap; news: PropertyMap },
    options: Options = {},
  ) {
    const request = new providerPb.DiffRequest();
    request.setUrn(urn);
    request.setId(data.id);
    request.setOlds(encodeProperties(data.state));
    request.setOldInputs(encodeProperties(data.oldInputs));
    request.setNews(encodeProperties(data.news));
    request.setIgnorechangesList(options.ignoreChanges ?? []);
    const response = await unary<providerPb.DiffResponse>((done) => this.raw[method](request, done));
    const detailed: Record<string, DiffKind | undefined> = {};
    response.getDetaileddiffMap().forEach((entry: providerPb.PropertyDiff, path: string) => {
      detailed[path] = kinds[entry.getKind()];
    });
    return {
      changes: changeNames[response.getChanges()],
      detailed,
      replaces: response.getReplacesList(),
      diffs: response.getDiffsList(),
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  async create(
    urn: string,
    inputs: PropertyMap,
    options: Options = {},
  ): Promise<{ id: string; outputs: PropertyMap; refreshBeforeUpdate: boolean }> {
    const request = new providerPb.CreateRequest();
    request.setUrn(urn);
    request.setProperties(encodeProperties(inputs));
    request.setPreview(options.preview ?? false);
    request.setTimeout(options.timeoutSeconds ?? 0);
    const response = await unary<providerPb.CreateResponse>((done) => this.raw.create(request, done));
    return {
      id: response.getId(),
      outputs: decodeProperties(response.getProperties()),
      refreshBeforeUpdate: response.getRefreshBeforeUpdate(),
    };
  }

  async read(urn: string, id: string, state: PropertyMap = {}, inputs: PropertyMap = {}) {
    const request = new providerPb.ReadRequest();
    request.setUrn(urn);
    request.setId(id);
    request.setProperties(encodeProperties(state));
    request.setInputs(encodeProperties(inputs));
    const response = await unary<providerPb.ReadResponse>((done) => this.raw.read(request, done));
    return {
      id: response.getId(),
      outputs: decodeProperties(response.getProperties()),
      inputs: decodeProperties(response.getInputs()),
      refreshBeforeUpdate: response.getRefreshBeforeUpdate(),
    };
  }

  async update(
    urn: string,
    data: { id: string; state: PropertyMap; oldInputs: PropertyMap; inputs: PropertyMap },
    options: Options = {},
  ): Promise<{ outputs: PropertyMap; refreshBeforeUpdate: boolean }> {
    const request = new providerPb.UpdateRequest();
    request.setUrn(urn);
    request.setId(data.id);
    request.setOlds(encodeProperties(data.state));
    request.setOldInputs(encodeProperties(data.oldInputs));
    request.setNews(encodeProperties(data.inputs));
    request.setPreview(options.preview ?? false);
    request.setTimeout(options.timeoutSeconds ?? 0);
    const response = await unary<providerPb.UpdateResponse>((done) => this.raw.update(request, done));
    return {
      outputs: decodeProperties(response.getProperties()),
      refreshBeforeUpdate: response.getRefreshBeforeUpdate(),
    };
  }

  async delete(
    urn: string,
    data: { id: string; state: PropertyMap; oldInputs?: PropertyMap },
    options: Options = {},
  ): Promise<void> {
    const request = new providerPb.DeleteRequest();
    request.setUrn(urn);
    request.setId(data.id);
    request.setProperties(encodeProperties(data.state));
    request.setOldInputs(encodeProperties(data.oldInputs ?? {}));
    request.setTimeout(options.timeoutSeconds ?? 0);
    await unary<emptyPb.Empty>((done) => this.raw.delete(request, done));
  }

  async invoke(token: string, args: PropertyMap, options: Options = {}) {
    const request = new providerPb.InvokeRequest();
    request.setTok(token);
    request.setArgs(encodeProperties(args));
    request.setPreview(options.preview ?? false);
    const response = await unary<providerPb.InvokeResponse>((done) => this.raw.invoke(request, done));
    return {
      outputs: decodeProperties(response.getReturn()),
      failures: response.getFailuresList().map((failure) => failure.toObject()),
    };
  }
}

/** Runs what must fail, and gives back the error as the engine reads it. */
export async function wireError(work: Promise<unknown>): Promise<WireError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isServiceError(error)) throw new Error(`expected an error of the plugin, got ${String(error)}`);
  const [details] = error.metadata.get("grpc-status-details-bin");
  if (!(details instanceof Buffer)) return { code: error.code, message: error.details };
  const [packed] = statusPb.Status.deserializeBinary(details).getDetailsList();
  const failed = packed?.unpack(
    providerPb.ErrorResourceInitFailed.deserializeBinary,
    "pulumirpc.ErrorResourceInitFailed",
  );
  if (!failed) throw new Error("the error's details are of an unexpected type");
  return {
    code: error.code,
    message: error.details,
    partial: {
      id: failed.getId(),
      outputs: decodeProperties(failed.getProperties()),
      inputs: failed.hasInputs() ? decodeProperties(failed.getInputs()) : undefined,
      reasons: failed.getReasonsList(),
    },
  };
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "metadata" in error && "details" in error;
}

/** A plugin in this process, its client and an engine to log to. */
export interface PluginUnderTest {
  readonly client: PluginClient;
  readonly engine: FakeEngine;
  readonly server: PluginServer;
  stop(): Promise<void>;
}

/** Serves the plugin in this process over loopback; call `stop` in the end. */
export async function servePlugin(plugin: PluginDefinition): Promise<PluginUnderTest> {
  const engine = await FakeEngine.start();
  const server = await startServer(plugin, { engineAddress: engine.address });
  const client = new PluginClient(server.port);
  return {
    client,
    engine,
    server,
    async stop() {
      client.close();
      await server.stop("the test ended", 2);
      engine.stop();
    },
  };
}

/** Starts a plugin's program and waits for its port, the first line of its output. */
export async function spawnPlugin(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly detached?: boolean } = {},
): Promise<{ process: ChildProcess; port: number }> {
  const child = spawn(program, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...options.env },
    detached: options.detached ?? false,
  });
  const port = await new Promise<number>((resolve, reject) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\n")) resolve(Number.parseInt(text, 10));
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code} before it served`)));
  });
  return { process: child, port };
}
