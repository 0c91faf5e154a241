/** Declares the machines of `declaration.json` with the power that the stack configuration says, as a real cluster's plan does. */
import "../../../lab/plain-stacks.ts";
import { readFileSync } from "node:fs";
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";
import { loadLabFile } from "../../../config/index.ts";
import { Findings } from "../../../planning/findings.ts";
import { planPower, readPowerDeclarations } from "../../../planning/power.ts";
import type { Declaration } from "./declaration.ts";

const declaration: Declaration = JSON.parse(
  readFileSync(new URL("../declaration.json", import.meta.url), "utf8"),
);
const settings = new pulumi.Config("hyperlab");
const file = settings.require("file");
const loaded = loadLabFile(readFileSync(new URL(`../${file}`, import.meta.url), "utf8"), file);
if (!loaded.ok || loaded.config.hpc === undefined) throw new Error(`${file} is no cluster file`);
const declared = readPowerDeclarations(settings.getObject("power"), settings.getObject("restarts"));
const findings = new Findings();
const power = planPower(loaded.config.hpc, declared, findings);
for (const { text } of findings.sorted()) throw new Error(text);

const provider = new libvirt.Provider("host", { uri: declaration.uri, owner: declaration.owner });
const before: pulumi.Resource[] = [];
for (const [name, inputs] of Object.entries(declaration.pools ?? {})) {
  before.push(new libvirt.Pool(name, inputs, { provider }));
}
for (const [name, inputs] of Object.entries(declaration.volumes ?? {})) {
  before.push(new libvirt.Volume(name, inputs, { provider, dependsOn: [...before] }));
}
for (const [name, inputs] of Object.entries(declaration.domains ?? {})) {
  const running = power.running.get(name) ?? true;
  const restartTrigger = power.restarts.get(name);
  const args = {
    ...inputs,
    running,
    autostart: running,
    ...(restartTrigger === undefined ? {} : { restartTrigger }),
  };
  new libvirt.Domain(name, args, { provider, dependsOn: before });
}
