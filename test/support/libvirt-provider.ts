/** The libvirt provider over gRPC, with the steps of an engine's run around each resource. */
import { createLibvirtClient, type LibvirtClient } from "../../providers/libvirt/client/index.ts";
import { libvirtPlugin } from "../../providers/libvirt/plugin.ts";
import type { PropertyMap } from "../../providers/plugin/values.ts";
import { type PluginUnderTest, servePlugin, urnOf } from "./plugin-client.ts";

/** A resource as the engine's state knows it. */
export interface Recorded {
  readonly urn: string;
  readonly id: string;
  readonly inputs: PropertyMap;
  readonly state: PropertyMap;
}

/** What an update of a recorded resource came to. */
export interface Applied {
  readonly recorded: Recorded;
  readonly diff: Awaited<ReturnType<PluginUnderTest["client"]["diff"]>>;
}

/** One configured provider. Several on the same host are several stacks or several runs. */
export class ProviderRun {
  readonly plugin: PluginUnderTest;

  constructor(plugin: PluginUnderTest) {
    this.plugin = plugin;
  }

  static async start(config: { uri: string; owner: string; [key: string]: string }): Promise<ProviderRun> {
    const plugin = await servePlugin(libvirtPlugin());
    await plugin.client.configure(config);
    return new ProviderRun(plugin);
  }

  get client() {
    return this.plugin.client;
  }

  stop(): Promise<void> {
    return this.plugin.stop();
  }

  /** Check and create; throws with the failures' text where the inputs are refused. */
  async create(type: string, name: string, inputs: PropertyMap): Promise<Recorded> {
    const urn = urnOf(`libvirt:index:${type}`, name);
    const checked = await this.#check(urn, {}, inputs);
    const made = await this.client.create(urn, checked);
    return { urn, id: made.id, inputs: checked, state: made.outputs };
  }

  /** Check, diff and, where it says so, update. */
  async update(recorded: Recorded, inputs: PropertyMap): Promise<Applied> {
    const { urn, id, state, inputs: oldInputs } = recorded;
    const checked = await this.#check(urn, oldInputs, inputs);
    const diff = await this.client.diff(urn, { id, state, oldInputs, news: checked });
    if (diff.changes !== "some") return { recorded: { ...recorded, inputs: checked }, diff };
    const updated = await this.client.update(urn, { id, state, oldInputs, inputs: checked });
    return { recorded: { urn, id, inputs: checked, state: updated.outputs }, diff };
  }

  /** What the preview of an update says, and its diff. */
  async preview(recorded: Recorded, inputs: PropertyMap): Promise<Applied> {
    const { urn, id, state, inputs: oldInputs } = recorded;
    const checked = await this.#check(urn, oldInputs, inputs);
    const diff = await this.client.diff(urn, { id, state, oldInputs, news: checked });
    if (diff.changes !== "some") return { recorded, diff };
    const foreseen = await this.client.update(
      urn,
      { id, state, oldInputs, inputs: checked },
      { preview: true },
    );
    return { recorded: { urn, id, inputs: checked, state: foreseen.outputs }, diff };
  }

  /** As refresh does; undefined where the resource is gone. */
  async read(recorded: Recorded): Promise<Recorded | undefined> {
    const { urn, id, state, inputs } = recorded;
    const found = await this.client.read(urn, id, state, inputs);
    return found.id === "" ? undefined : { urn, id: found.id, inputs: found.inputs, state: found.outputs };
  }

  async import(type: string, name: string, id: string): Promise<Recorded> {
    const urn = urnOf(`libvirt:index:${type}`, name);
    const found = await this.client.read(urn, id);
    return { urn, id: found.id, inputs: found.inputs, state: found.outputs };
  }

  async delete(recorded: Recorded): Promise<void> {
    const { urn, id, state, inputs } = recorded;
    await this.client.delete(urn, { id, state, oldInputs: inputs });
  }

  async #check(urn: string, olds: PropertyMap, news: PropertyMap): Promise<PropertyMap> {
    const { inputs, failures } = await this.client.check(urn, olds, news);
    if (failures.length === 0) return inputs;
    throw new Error(failures.map(({ property, reason }) => `${property}: ${reason}`).join("\n"));
  }
}

/** Removes what a test left on a host, however it ended. */
export async function clearHost(uri: string, prefix: string): Promise<void> {
  const client: LibvirtClient = createLibvirtClient(uri);
  try {
    for (const domain of await client.domainList()) {
      if (!domain.name.startsWith(prefix)) continue;
      if (domain.id >= 0) await client.domainDestroy(domain);
      await client.domainUndefine(domain);
    }
    for (const network of await client.networkList()) {
      if (!network.name.startsWith(prefix)) continue;
      if (await client.networkIsActive(network)) await client.networkDestroy(network);
      await client.networkUndefine(network);
    }
    for (const pool of await client.storagePoolList()) {
      if (!pool.name.startsWith(prefix)) continue;
      if (await client.storagePoolIsActive(pool)) await client.storagePoolDestroy(pool);
      await client.storagePoolUndefine(pool);
    }
  } finally {
    await client.close();
  }
}
