/** What a killed libvirt left of a network on a host behind ssh: `up` and `down` remove it before the engine runs. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { removeStack } from "../../../tools/commands/down.ts";
import { settle } from "../../../tools/commands/settle.ts";
import { cacheFolder } from "../../../tools/paths.ts";
import { clearHost } from "../../support/libvirt-provider.ts";
import { type OwnSshHost, shellOf, startOwnSshHost } from "../../support/ssh-host.ts";
import { Lab, type Stack } from "../support/lab.ts";

const path = process.env.PATH;
let lab: Lab;
let ssh: OwnSshHost;
let stack: Stack;
beforeAll(async () => {
  lab = await Lab.start();
  ssh = await startOwnSshHost({ command: shellOf(lab.host) });
  process.env.PATH = ssh.path;
  stack = await lab.stack("owner-of-settle", { env: { PATH: ssh.path } });
});
afterAll(async () => {
  process.env.PATH = path;
  await lab?.dropStacks();
  if (lab !== undefined) await clearHost(lab.host.qemuUri, "lab");
  await lab?.stop();
  await ssh?.stop();
});

/** As where it was killed at the end of the start: the note that the network runs is the last thing of it. */
async function loseNetwork(): Promise<void> {
  await lab.host.kill();
  rmSync(join(lab.host.directory, "run", "network", "lab.xml"));
  await lab.host.start();
}

it("the next up starts the network again, and down leaves nothing of it", async () => {
  const before = await lab.inventory();
  await stack.declare({
    uri: `qemu+ssh://${ssh.host}/system?socket=${lab.gate.socket}`,
    networks: { network: { name: "lab", mode: "nat", bridge: "lab0", address: "10.50.0.1/24" } },
  });
  await stack.must("up");
  const wanted = await lab.inventory();

  await loseNetwork();
  const { layout, report, root, session } = stack.project;
  await settle({ layout, report }, session);
  expect(stack.project.shown()).toContain("Removed the bridge lab0 on qemu+ssh://");
  expect((await lab.inventory()).links).toEqual(before.links);
  await stack.must("refresh");
  await stack.must("up");
  expect(await lab.inventory()).toEqual(wanted);

  await loseNetwork();
  const context = { root, cache: cacheFolder(), report, layout, interactive: false, env: process.env };
  expect(await removeStack(context, session, { yes: true, keepProtected: false })).toBe(0);
  const after = await lab.inventory();
  expect({ links: after.links, networks: after.networks }).toEqual({
    links: before.links,
    networks: before.networks,
  });
});
