import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type PropertyMap, ProviderError } from "../../../providers/plugin/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";
import { connect, removeDomains, Stack } from "./harness.ts";

/** The test driver's pool. */
export const pool = "default-pool";

/** Inputs of a machine with everything that the rules are about. */
export const node = (over: PropertyMap = {}): PropertyMap => ({
  name: "node",
  type: "qemu",
  vcpus: 2,
  memoryMiB: 256,
  rootDisk: { pool, image: "debian-a", sizeMiB: 200 },
  interfaces: [{ network: "default", mac: "52:54:00:00:00:11", address: "192.168.122.11" }],
  deriveSshHostKey: true,
  quiesce: { timeoutSeconds: 5 },
  ready: { timeoutSeconds: 5 },
  stop: { timeoutSeconds: 5 },
  ...over,
});

/** libvirt's test driver: power states, networks, volumes and events without a hypervisor. Fresh for every test. */
export class TestDriver {
  #daemon: OwnLibvirtd | undefined;
  #client: LibvirtClient | undefined;
  #stack: Stack | undefined;

  constructor() {
    beforeAll(async () => {
      this.#daemon = await startOwnLibvirtd();
    });
    afterAll(() => this.#daemon?.stop());
    // The driver's objects live as long as a connection.
    beforeEach(() => this.#open());
    afterEach(() => this.#client?.close());
  }

  async #open(): Promise<void> {
    // The daemon notices the end of the last connection a moment after it.
    await waitFor("fresh test driver", () => this.#isFresh());
    const { client } = this;
    await removeDomains(client);
    const ref = await this.#pool();
    for (const name of ["debian-a", "debian-b"]) {
      await client.storageVolCreateXml(
        ref,
        `<volume><name>${name}</name><capacity unit="MiB">100</capacity><target><format type="qcow2"/></target></volume>`,
      );
    }
    this.#stack = new Stack(client);
  }

  async #isFresh(): Promise<boolean> {
    this.#client = connect(this.#daemon?.testUri ?? "");
    if ((await this.volumes()).length === 0) return true;
    await this.#client.close();
    return false;
  }

  get client(): LibvirtClient {
    if (this.#client === undefined) throw new Error("no connection yet");
    return this.#client;
  }

  get stack(): Stack {
    if (this.#stack === undefined) throw new Error("no stack yet");
    return this.#stack;
  }

  async #pool() {
    const ref = await this.client.storagePoolLookupByName(pool);
    if (ref === undefined) throw new Error("the test driver has no pool");
    return ref;
  }

  /** Names of all volumes. */
  async volumes(): Promise<string[]> {
    return (await this.client.storagePoolListVolumes(await this.#pool())).map(({ name }) => name).sort();
  }

  /** Deletes a volume behind the provider's back; `place` is `POOL/VOLUME`. */
  async deleteVolume(place: unknown): Promise<void> {
    const name = String(place).replace(`${pool}/`, "");
    const volume = await this.client.storageVolLookupByName(await this.#pool(), name);
    if (volume === undefined) throw new Error(`no volume ${name}`);
    await this.client.storageVolDelete(volume);
  }

  async domain(name = "node") {
    const ref = await this.client.domainLookupByName(name);
    if (ref === undefined) throw new Error(`no domain ${name}`);
    return ref;
  }

  async network() {
    const ref = await this.client.networkLookupByName("default");
    if (ref === undefined) throw new Error("the test driver has no network");
    return ref;
  }

  async networkXml(): Promise<string> {
    return this.client.networkGetXmlDesc(await this.network());
  }

  /** Power state by libvirt's name; `none` for a domain that does not exist. */
  async power(name = "node"): Promise<string> {
    const ref = await this.client.domainLookupByName(name);
    return ref === undefined ? "none" : (await this.client.domainGetState(ref)).state;
  }
}

/** A client whose call fails as it does when the process dies there: nothing after it happens. */
export function failing(real: LibvirtClient, method: keyof LibvirtClient): LibvirtClient {
  let dead = false;
  return new Proxy(real, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name);
      if (typeof found !== "function") return found;
      return (...args: unknown[]) => {
        if (name === method) dead = true;
        const changes = /Create|Define|Set|Update|Delete|Destroy|Undefine/.test(String(name));
        if (dead && changes) return Promise.reject(new ProviderError("killed", "cancelled"));
        return Reflect.apply(found, target, args);
      };
    },
  });
}
