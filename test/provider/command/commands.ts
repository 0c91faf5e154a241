/** Short ways to drive command resources as the engine does. */
import { commandProvider } from "../../../providers/command/provider.ts";
import { type PropertyMap, Secret } from "../../../providers/plugin/index.ts";
import { type Options, type PluginUnderTest, servePlugin, urnOf } from "../../support/plugin-client.ts";

export const tokens = {
  local: "command:local:Command",
  remote: "command:remote:Command",
  copy: "command:remote:CopyToRemote",
} as const;

export interface Created {
  readonly urn: string;
  readonly id: string;
  readonly inputs: PropertyMap;
  readonly state: PropertyMap;
}

/** One resource type of the plugin; every call checks its inputs first, as the engine does. */
export class Driver {
  readonly plugin: PluginUnderTest;
  readonly #token: string;

  constructor(plugin: PluginUnderTest, token: string) {
    this.plugin = plugin;
    this.#token = token;
  }

  async #checked(urn: string, olds: PropertyMap, news: PropertyMap): Promise<PropertyMap> {
    const { inputs, failures } = await this.plugin.client.check(urn, olds, news);
    if (failures.length > 0) throw new Error(`unexpected check failures: ${JSON.stringify(failures)}`);
    return inputs;
  }

  async create(news: PropertyMap, options: Options & { name?: string } = {}): Promise<Created> {
    const urn = urnOf(this.#token, options.name ?? "cmd");
    const inputs = await this.#checked(urn, {}, news);
    const { id, outputs } = await this.plugin.client.create(urn, inputs, options);
    return { urn, id, inputs, state: outputs };
  }

  async diff(old: Created, news: PropertyMap) {
    const inputs = await this.#checked(old.urn, old.inputs, news);
    return this.plugin.client.diff(old.urn, {
      id: old.id,
      state: old.state,
      oldInputs: old.inputs,
      news: inputs,
    });
  }

  async update(old: Created, news: PropertyMap, options: Options = {}): Promise<Created> {
    const inputs = await this.#checked(old.urn, old.inputs, news);
    const data = { id: old.id, state: old.state, oldInputs: old.inputs, inputs };
    const { outputs } = await this.plugin.client.update(old.urn, data, options);
    return { ...old, inputs, state: outputs };
  }

  async delete(old: Created): Promise<void> {
    await this.plugin.client.delete(old.urn, { id: old.id, state: old.state, oldInputs: old.inputs });
  }
}

export function startCommandPlugin(): Promise<PluginUnderTest> {
  return servePlugin(commandProvider);
}

export const secret = (value: string) => new Secret(value);
