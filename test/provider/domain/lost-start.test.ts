import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { endProcesses } from "../../engine/support/processes.ts";
import { ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { wireError } from "../../support/plugin-client.ts";
import { waitFor } from "../../support/wait.ts";

let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let run: ProviderRun;
beforeAll(async () => {
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
  run = await ProviderRun.start({ uri: host.qemuUri, owner: "owner-of-lost-starts" });
});
afterAll(async () => {
  await run?.stop();
  await libvirt?.close();
  await host?.stop();
});

/**
 * Leaves libvirtd's note of a guest as it is between the fork for QEMU and the first sign of it, when only a signal at that
 * moment could kill it there: a hook holds the start a little later, and the note's process id is taken back.
 */
async function loseStart(name: string): Promise<void> {
  const hook = join(host.directory, "etc", "hooks", "qemu");
  const held = join(host.directory, "held");
  const note = join(host.directory, "run", "qemu", `${name}.xml`);
  mkdirSync(join(host.directory, "etc", "hooks"));
  writeFileSync(hook, `#!/bin/sh\n[ "$2" = started ] || exit 0\ntouch ${held}\nexec sleep 600\n`);
  chmodSync(hook, 0o755);
  await host.kill();
  await host.start();
  const ref = await libvirt.domainLookupByName(name);
  if (ref === undefined) throw new Error(`there is no domain ${name}`);
  const starting = expect(libvirt.domainCreate(ref)).rejects.toThrow("ended during domainCreate");
  await waitFor("start of the machine", () => existsSync(held));
  await host.kill();
  const text = readFileSync(note, "utf8");
  endProcesses([Number(/<domstatus [^>]*pid='(\d+)'/.exec(text)?.[1])]);
  writeFileSync(
    note,
    text.replace(/<domstatus [^>]*>/, "<domstatus state='paused' reason='starting up' pid='0'>"),
  );
  rmSync(hook);
  await host.start();
  await starting;
}

it("a machine that libvirt holds as starting since it was killed is named with the way out, which works", async () => {
  const off = {
    name: "lost",
    type: "qemu",
    vcpus: 1,
    memoryMiB: 64,
    guestAgent: false,
    quiesce: { hook: "never" },
    ready: { wait: "none" },
    running: false,
  };
  const on = { ...off, running: true };
  const made = await run.create("Domain", "lost", off);
  await loseStart("lost");
  const read = await run.read(made);
  if (read === undefined) throw new Error("the machine is gone");
  const failure = await wireError(run.update(read, on));
  expect(failure.message).toContain("cannot acquire state change lock");
  expect(failure.message).toContain("remove /run/libvirt/qemu/lost.xml and restart libvirtd");

  await host.kill();
  rmSync(join(host.directory, "run", "qemu", "lost.xml"));
  await host.start();
  const again = await run.read(made);
  if (again === undefined) throw new Error("the machine is gone");
  await run.update(again, on);
  const ref = await libvirt.domainLookupByName("lost");
  expect(ref && (await libvirt.domainGetState(ref)).state).toBe("running");
});
