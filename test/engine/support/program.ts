/** Declares on one host what `declaration.json` in the project's folder says; the tests change that between runs. */
import { readFileSync } from "node:fs";
import * as libvirt from "@pulumi/libvirt";
import type * as pulumi from "@pulumi/pulumi";
import type { Declaration } from "./declaration.ts";

const declaration: Declaration = JSON.parse(
  readFileSync(new URL("../declaration.json", import.meta.url), "utf8"),
);
const { uri, owner } = declaration;
const provider = new libvirt.Provider("host", { uri, owner });

/** Volumes depend on pools and networks, machines on all of them, as in a real program. */
const before: pulumi.Resource[] = [];

function declare<Inputs>(
  declared: Readonly<Record<string, Inputs>> | undefined,
  make: (name: string, inputs: Inputs, options: pulumi.CustomResourceOptions) => pulumi.Resource,
  dependsOn: readonly pulumi.Resource[] = [],
): void {
  for (const [name, inputs] of Object.entries(declared ?? {})) {
    const id = declaration.imports?.[name];
    before.push(
      make(name, inputs, {
        provider,
        dependsOn: [...dependsOn],
        ...(id === undefined ? {} : { import: id }),
      }),
    );
  }
}

declare(declaration.pools, (name, inputs, options) => new libvirt.Pool(name, inputs, options));
declare(declaration.networks, (name, inputs, options) => new libvirt.Network(name, inputs, options));
declare(declaration.volumes, (name, inputs, options) => new libvirt.Volume(name, inputs, options), [
  ...before,
]);
declare(declaration.domains, (name, inputs, options) => new libvirt.Domain(name, inputs, options), [
  ...before,
]);
