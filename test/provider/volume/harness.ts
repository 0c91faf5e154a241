import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { clearHost, ProviderRun, type Recorded } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { urnOf } from "../../support/plugin-client.ts";

export const owner = "owner-of-volume-tests";
export const urn = urnOf("libvirt:index:Volume", "disk");
export const qemuImg = (...args: string[]): string => execFileSync("qemu-img", args, { encoding: "utf8" });
export const sha256 = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

/** A libvirtd of the file's own; each test gets a provider and an empty pool `vpool`. */
export class VolumeHost {
  #daemon: OwnLibvirtd | undefined;
  #libvirt: LibvirtClient | undefined;
  #run: ProviderRun | undefined;
  #pool: Recorded | undefined;
  #count = 0;

  constructor() {
    beforeAll(async () => {
      this.#daemon = await startOwnLibvirtd();
      this.#libvirt = createLibvirtClient(this.daemon.qemuUri);
      const raw = join(this.daemon.directory, "image.raw");
      writeFileSync(raw, randomBytes(3_000_000));
      qemuImg("convert", "-f", "raw", "-O", "qcow2", raw, this.image);
    });
    afterAll(async () => {
      await this.#libvirt?.close();
      await this.#daemon?.stop();
    });
    beforeEach(async () => {
      this.#run = await ProviderRun.start({ uri: this.daemon.qemuUri, owner });
      this.#count += 1;
      this.#pool = await this.run.create("Pool", "pool", { name: "vpool", path: this.path });
    });
    afterEach(async () => {
      await this.#run?.stop();
      await clearHost(this.daemon.qemuUri, "v");
    });
  }

  get daemon(): OwnLibvirtd {
    return started(this.#daemon);
  }

  get libvirt(): LibvirtClient {
    return started(this.#libvirt);
  }

  get run(): ProviderRun {
    return started(this.#run);
  }

  get pool(): Recorded {
    return started(this.#pool);
  }

  /** Folder of the pool. */
  get path(): string {
    return join(this.daemon.directory, `pool-${this.#count}`);
  }

  /** A qcow2 disk of 3 MiB that is full. */
  get image(): string {
    return join(this.daemon.directory, "image.qcow2");
  }

  async volumeNames(): Promise<string[]> {
    const found = await this.libvirt.storagePoolLookupByName("vpool");
    if (found === undefined) throw new Error("the pool is missing");
    await this.libvirt.storagePoolRefresh(found);
    return (await this.libvirt.storagePoolListVolumes(found)).map((volume) => volume.name).sort();
  }

  async withRun<T>(name: string, work: (other: ProviderRun) => Promise<T>): Promise<T> {
    const other = await ProviderRun.start({ uri: this.daemon.qemuUri, owner: name });
    try {
      return await work(other);
    } finally {
      await other.stop();
    }
  }

  /** Defines a domain with the disk, without starting it. */
  async defineUser(name: string, file: string): Promise<void> {
    await this.libvirt.domainDefineXml(`<domain type='qemu'><name>${name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
      <os><type arch='x86_64' machine='q35'>hvm</type></os>
      <devices><disk type='file' device='disk'><source file='${file}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`);
  }
}

function started<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("used before its hook");
  return value;
}
