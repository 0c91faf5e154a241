import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import type { ProviderContext } from "../../../providers/libvirt/context.ts";
import { explained } from "../../../providers/libvirt/errors.ts";
import { readCache } from "../../../providers/libvirt/host.ts";
import {
  type DomainParts,
  domainHandler,
  type GuestAgent,
  type ProgramResult,
  type Run,
  realParts,
} from "../../../providers/libvirt/resources/domain/index.ts";
import { RolloutRegistry } from "../../../providers/libvirt/rollout.ts";
import type { CallContext, Logger } from "../../../providers/plugin/index.ts";
import {
  isObject,
  PartialFailure,
  type PropertyMap,
  ProviderError,
} from "../../../providers/plugin/index.ts";

export const owner = "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11";
const type = "libvirt:index:Domain";
export const urnOf = (name: string) => `urn:pulumi:dev::lab::${type}::${name}`;

type Program = (options: {
  args: readonly string[];
  input: string | undefined;
  env: Readonly<Record<string, string>>;
}) => ProgramResult;

/** An in-process stand-in for the guest agent: the one part of a machine that these tests do not have. */
export class ScriptedAgent implements GuestAgent {
  up = true;
  readonly calls: string[] = [];
  readonly programs = new Map<string, Program>();

  constructor() {
    for (const name of ["quiesce", "unquiesce", "ready", "identity"]) this.on(name, () => exited(0));
    this.programs.set("/usr/bin/test", ({ args }) => exited(this.programs.has(args[1] ?? "") ? 0 : 1));
  }

  on(name: string, program: Program | undefined): void {
    const path = `/usr/lib/hyperlab/${name}`;
    if (program === undefined) this.programs.delete(path);
    else this.programs.set(path, program);
  }

  async answers(signal: AbortSignal): Promise<boolean> {
    signal.throwIfAborted();
    return this.up;
  }

  async run(
    program: string,
    options: {
      args?: readonly string[];
      input?: string;
      env?: Readonly<Record<string, string>>;
      signal: AbortSignal;
    },
  ): Promise<ProgramResult> {
    options.signal.throwIfAborted();
    if (!this.up) return { kind: "unreachable", reason: "QEMU guest agent is not connected" };
    this.calls.push(program.replace(/.*\//, ""));
    const found = this.programs.get(program);
    const { args = [], env = {}, input } = options;
    return found?.({ args, env, input }) ?? { kind: "missing" };
  }
}

export function exited(exitCode: number, stdout = "", stderr = ""): ProgramResult {
  return { kind: "exited", exitCode, stdout, stderr };
}

/** One stack's view of a host: the resource as the engine drives it. */
export class Stack {
  readonly provider: ProviderContext;
  readonly agents = new Map<string, ScriptedAgent>();
  readonly lines: string[] = [];
  readonly status: string[] = [];
  readonly #parts: DomainParts;
  /** The engine's time limit of each call. */
  timeoutSeconds: number | undefined;
  #cancel = new AbortController();

  constructor(
    client: LibvirtClient,
    over: { owner?: string; parts?: Partial<DomainParts>; rollout?: RolloutRegistry } = {},
  ) {
    this.provider = {
      config: {
        uri: client.uri,
        owner: over.owner ?? owner,
        identitySecret: "test secret",
        refreshBeforeUpdate: true,
      },
      client,
      cache: readCache(client),
      rollout: over.rollout ?? new RolloutRegistry(),
    };
    this.#parts = {
      ...realParts,
      agent: (_client, ref) => this.agent(ref.name),
      ...over.parts,
    };
  }

  agent(name: string): ScriptedAgent {
    const agent = this.agents.get(name) ?? new ScriptedAgent();
    this.agents.set(name, agent);
    return agent;
  }

  /** Ends every call under way, as the engine's Cancel does. */
  cancel(): void {
    this.#cancel.abort(new ProviderError("the update was cancelled", "cancelled"));
    this.#cancel = new AbortController();
  }

  get handler() {
    return explained(
      "Domain",
      domainHandler(() => this.provider, this.#parts),
    );
  }

  call(preview = false): CallContext {
    const add = (message: string) => {
      this.lines.push(message);
    };
    const logger: Logger = {
      debug: () => {},
      output: () => {},
      info: add,
      warning: add,
      error: add,
      status: (message) => {
        this.status.push(message);
      },
    };
    const deadline = this.timeoutSeconds === undefined ? undefined : Date.now() + this.timeoutSeconds * 1000;
    return { logger, signal: this.#cancel.signal, preview, deadline };
  }

  /** A call about a machine, as the commands that work past the engine make it. */
  run(name: string): Run {
    return { ...this.#parts, provider: this.provider, call: this.call(), urn: urnOf(name), name };
  }

  identity(name: string) {
    return { urn: urnOf(name), name, type };
  }
}

/** One resource in a stack: its recorded inputs and state, changed as the engine changes them. */
export class Machine {
  readonly stack: Stack;
  readonly name: string;
  id = "";
  inputs: PropertyMap = {};
  state: PropertyMap = {};
  exists = false;

  constructor(stack: Stack, name: string) {
    this.stack = stack;
    this.name = name;
  }

  async check(news: PropertyMap): Promise<string[]> {
    const { failures } = await this.stack.handler.check(this.stack.call(), {
      ...this.stack.identity(this.name),
      olds: this.inputs,
      news,
      randomSeed: new Uint8Array(),
    });
    return (failures ?? []).map(({ property, reason }) => `${property}: ${reason}`);
  }

  /** Creates, and records what a partial failure leaves. */
  async create(inputs: PropertyMap): Promise<this> {
    const request = { ...this.stack.identity(this.name), inputs };
    try {
      const made = await this.stack.handler.create(this.stack.call(), request);
      this.#record(made.id, inputs, made.outputs);
    } catch (error) {
      this.#recordPartial(error, inputs);
      throw error;
    }
    return this;
  }

  async previewCreate(inputs: PropertyMap): Promise<PropertyMap> {
    const request = { ...this.stack.identity(this.name), inputs };
    return (await this.stack.handler.create(this.stack.call(true), request)).outputs;
  }

  async diff(news: PropertyMap) {
    return this.stack.handler.diff(this.stack.call(), {
      ...this.stack.identity(this.name),
      id: this.id,
      state: this.state,
      oldInputs: this.inputs,
      news,
      ignoreChanges: [],
    });
  }

  /** The line that a preview shows. */
  async preview(news: PropertyMap): Promise<string> {
    const before = this.stack.lines.length;
    await this.#update(news, true);
    return this.stack.lines.slice(before).join("\n");
  }

  async previewOutputs(news: PropertyMap): Promise<PropertyMap> {
    return (await this.#update(news, true)).outputs;
  }

  /** Updates as it was previewed, and records the result. */
  async update(news: PropertyMap): Promise<this> {
    try {
      const done = await this.#update(news, false);
      this.#record(this.id, news, done.outputs);
    } catch (error) {
      this.#recordPartial(error, news);
      throw error;
    }
    return this;
  }

  #update(inputs: PropertyMap, preview: boolean) {
    return this.stack.handler.update(this.stack.call(preview), {
      ...this.stack.identity(this.name),
      id: this.id,
      state: this.state,
      oldInputs: this.inputs,
      inputs,
      ignoreChanges: [],
    });
  }

  /** As the engine's refresh; false where the resource is gone. */
  async refresh(): Promise<boolean> {
    this.stack.provider.cache.domains.invalidate();
    this.stack.provider.cache.networks.invalidate();
    this.stack.provider.cache.volumes.invalidate();
    const read = await this.read(this.id, this.state, this.inputs);
    if (read === undefined) {
      this.exists = false;
      return false;
    }
    this.#record(read.id, read.inputs, read.outputs);
    return true;
  }

  async read(id: string, state: PropertyMap = {}, inputs: PropertyMap = {}) {
    const { handler } = this.stack;
    return handler.read?.(this.stack.call(), { ...this.stack.identity(this.name), id, state, inputs });
  }

  async import(id: string): Promise<this> {
    const read = await this.read(id);
    if (read === undefined) throw new Error(`nothing to import: ${id}`);
    this.#record(read.id, read.inputs, read.outputs);
    return this;
  }

  async delete(): Promise<void> {
    await this.stack.handler.delete(this.stack.call(), {
      ...this.stack.identity(this.name),
      id: this.id,
      state: this.state,
      oldInputs: this.inputs,
    });
    this.exists = false;
  }

  #record(id: string, inputs: PropertyMap, outputs: PropertyMap): void {
    this.id = id;
    this.inputs = inputs;
    this.state = outputs;
    this.exists = true;
  }

  #recordPartial(error: unknown, inputs: PropertyMap): void {
    if (!(error instanceof PartialFailure)) return;
    this.#record(error.partial.id, error.partial.inputs ?? inputs, error.partial.outputs);
  }
}

/** A client, with the objects of the test driver kept alive as long as it is open. */
export function connect(uri: string): LibvirtClient {
  return createLibvirtClient(uri);
}

/** Removes every domain of the host. */
export async function removeDomains(client: LibvirtClient): Promise<void> {
  const nvram = client.uri.startsWith("qemu");
  for (const ref of await client.domainList()) {
    const { state } = await client.domainGetState(ref);
    if (state !== "shutoff") await client.domainDestroy(ref);
    await client.domainUndefine(ref, nvram ? { nvram: true } : {});
  }
}

/** A member of an object among the inputs. */
export function memberOf(inputs: PropertyMap, name: string): PropertyMap {
  const found = inputs[name];
  return isObject(found) ? found : {};
}
