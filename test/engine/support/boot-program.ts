/** Something that is made from what a machine's boot took, as `HpcCluster` makes SLURM's time-outs. */
import { readFileSync } from "node:fs";
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import type { Declaration } from "./declaration.ts";

const { uri, owner, domains }: Declaration = JSON.parse(
  readFileSync(new URL("../declaration.json", import.meta.url), "utf8"),
);
const provider = new libvirt.Provider("host", { uri, owner });
for (const [name, inputs] of Object.entries(domains ?? {})) {
  const { bootSeconds } = new libvirt.Domain(name, inputs, { provider });
  new pulumi.Stash(`${name}-boot`, { input: bootSeconds.apply((seconds) => seconds ?? 0) });
}
