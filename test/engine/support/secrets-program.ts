/** Secrets as real programs have them: one made once and kept in a Stash, one in the user data of a seed. */
import { readFileSync } from "node:fs";
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import type { SecretsDeclaration } from "./declaration.ts";

const declared: SecretsDeclaration = JSON.parse(
  readFileSync(new URL("../declaration.json", import.meta.url), "utf8"),
);
const { uri, owner, pool, machines } = declared;
// The file stands for a generator: neither the project nor the environment of any process holds what is in it.
const { identity, userData } = JSON.parse(readFileSync(declared.secretsFile, "utf8"));

const stash = new pulumi.Stash(
  "identity-secret",
  { input: pulumi.secret(identity) },
  { ignoreChanges: ["input"] },
);
const provider = new libvirt.Provider("host", { uri, owner, identitySecret: stash.output });
const lab = new libvirt.Pool("pool", pool, { provider });
const seed = new libvirt.Volume(
  "seed",
  { name: "seed", pool: "lab", seed: { userData: pulumi.secret(userData), metaData: "{}" } },
  { provider, dependsOn: lab },
);
for (const [name, inputs] of Object.entries(machines)) {
  new libvirt.Domain(name, inputs, { provider, dependsOn: seed });
}
export const secretText = pulumi.secret(identity);
