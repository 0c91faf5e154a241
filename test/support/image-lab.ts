import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Context } from "../../tools/commands/context.ts";
import { Reporter } from "../../tools/report/progress.ts";
import { prepareState, stateLayout } from "../../tools/state/layout.ts";

/** What the commands for images look at: a cluster file, images that were built, and stacks that use them. No machine. */
export class ImageLab {
  readonly root = mkdtempSync(join(tmpdir(), "hyperlab-image-"));
  /** Folder of the built images. */
  readonly images = join(this.root, "cache/images");
  /** Folder of the stacks' states, `NAME.json`. */
  readonly stacks = join(this.root, "state/backend/.pulumi/stacks/hyperlab");
  readonly context: Context;
  readonly #file = join(this.root, "lab.yaml");
  /** What the commands showed. */
  shown = "";

  /** @param file text of the cluster file */
  constructor(file: string) {
    writeFileSync(join(this.root, "Pulumi.yaml"), "name: hyperlab\nruntime: nodejs\n");
    writeFileSync(join(this.root, "Pulumi.dev.yaml"), "config:\n  hyperlab:file: lab.yaml\n");
    writeFileSync(this.#file, file);
    const layout = stateLayout({ root: this.root, stack: "dev", folder: join(this.root, "state"), env: {} });
    prepareState(layout, this.root);
    mkdirSync(this.stacks, { recursive: true });
    mkdirSync(this.images, { recursive: true });
    const write = (text: string) => {
      this.shown += text;
    };
    const report = new Reporter({ write, isTerminal: false, columns: 200 });
    const cache = join(this.root, "cache");
    this.context = { root: this.root, cache, report, layout, interactive: true, env: {} };
  }

  /** Text of the cluster file as it is now. */
  get file(): string {
    return readFileSync(this.#file, "utf8");
  }

  /** An image with its manifest. @param packages lines such as `slurmctld 24.11.5-4` */
  store(id: string, packages: readonly string[]): void {
    const manifest = { id, sizeBytes: 5, packages, recipe: {} };
    writeFileSync(join(this.images, `${id}.json`), JSON.stringify(manifest));
    writeFileSync(join(this.images, `${id}.qcow2`), "image");
  }

  /** The state of a stack whose cluster `lab` has a controller and a node on that image. */
  deploy(stack: string, id: string): void {
    const resource = (type: string, name: string, inputs: object) => ({
      urn: `urn:pulumi:x::y::${type}::${name}`,
      type,
      inputs,
    });
    const path = `${this.images}/${id}.qcow2`;
    const resources = [
      resource("libvirt:index:Volume", "lab-base", { name: "v", source: { id, path } }),
      resource("libvirt:index:Domain", "lab-compute-01", { rootDisk: { image: "v" } }),
      resource("libvirt:index:Domain", "lab-controller", { rootDisk: { image: "v" } }),
    ];
    const state = { checkpoint: { latest: { resources } } };
    writeFileSync(join(this.stacks, `${stack}.json`), JSON.stringify(state));
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
