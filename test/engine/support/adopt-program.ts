/** As `program.ts`, with what makes a lab's state more than a list: identity, decisions, and the record of both. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import * as libvirt from "@pulumi/libvirt";
import type * as pulumi from "@pulumi/pulumi";
import { StackIdentity } from "../../../components/stack-identity/index.ts";
import { Decisions } from "../../../lab/held.ts";
import { recoveryRecord } from "../../../lab/recovery.ts";
import { passphraseIn } from "../../../tools/state/passphrase.ts";
import type { Declaration } from "./declaration.ts";

const declaration: Declaration = JSON.parse(
  readFileSync(new URL("../declaration.json", import.meta.url), "utf8"),
);
const identity = new StackIdentity("lab");
const decisions = new Decisions();
// Every machine carries it: decided anew, it would change them all.
const description = await decisions.held("lab-decision", randomUUID(), String);
const kept = { decisions: decisions.all, keyGenerations: {} };
const record = recoveryRecord(identity, kept, passphraseIn(process.env));
const { owner, secret } = identity;
const provider = new libvirt.Provider("host", { uri: declaration.uri, owner, identitySecret: secret });

const before: pulumi.Resource[] = [];
for (const [name, inputs] of Object.entries(declaration.pools ?? {})) {
  before.push(new libvirt.Pool(name, inputs, { provider }));
}
for (const [name, inputs] of Object.entries(declaration.networks ?? {})) {
  before.push(new libvirt.Network(name, inputs, { provider }));
}
for (const [name, inputs] of Object.entries(declaration.volumes ?? {})) {
  before.push(new libvirt.Volume(name, inputs, { provider, dependsOn: before.slice(0, 1) }));
}
for (const [name, inputs] of Object.entries(declaration.domains ?? {})) {
  const keeps = name === "controller" && record !== undefined ? { recoveryRecord: record } : {};
  new libvirt.Domain(name, { ...inputs, description, ...keeps }, { provider, dependsOn: [...before] });
}

export { description, owner, secret };
