/** A libvirtd that is killed while it starts a network leaves bridge, name server and firewall rules, and forgets them. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { removeLeftBridges } from "../../../tools/host/left-bridges.ts";
import { Reporter } from "../../../tools/report/progress.ts";
import { processesWith } from "../../engine/support/processes.ts";
import { ProviderRun } from "../../support/libvirt-provider.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";

const owner = "owner-of-left-bridges";
const inputs = {
  name: "leftlab",
  mode: "nat",
  bridge: "left0",
  address: "10.50.0.1/24",
  dhcpRange: { start: "10.50.0.100", end: "10.50.0.199" },
};

let host: OwnLibvirtd;
let libvirt: LibvirtClient;
let run: ProviderRun;
beforeEach(async () => {
  host = await startOwnLibvirtd();
  libvirt = createLibvirtClient(host.qemuUri);
  run = await ProviderRun.start({ uri: host.qemuUri, owner });
});
afterEach(async () => {
  await run?.stop();
  await libvirt?.close();
  await host?.stop();
});

/** Command that runs in the mounts and the network of the daemon, which are the host's for it. */
function onHost(...command: string[]): { program: string; args: string[] } {
  const pid = readFileSync(join(host.directory, "libvirtd.pid"), "utf8").trim();
  return {
    program: "nsenter",
    args: [`--mount=/proc/${pid}/ns/mnt`, `--net=/proc/${pid}/ns/net`, ...command],
  };
}

function said(...command: string[]): string {
  const { args, program } = onHost(...command);
  return execFileSync(program, args, { encoding: "utf8" });
}

/** Everything of the network that is not libvirt's definition. */
async function found() {
  const rules = said("sh", "-c", "iptables-save; ip6tables-save").split("\n");
  return {
    links: [...said("ip", "-o", "link", "show", "type", "bridge").matchAll(/^\d+: ([^:]+)/gm)].map(
      ([, name]) => name,
    ),
    nameServers: (await processesWith(`/dnsmasq/${inputs.name}.conf`)).length,
    rules: rules.filter((rule) => rule.includes(inputs.bridge) || rule.includes("10.50.0.0/24")).sort(),
  };
}

/** `hooks/network` of libvirt holds its daemon at the end of a start, before it notes that the network runs. */
async function killWhileStarting(): Promise<void> {
  const hook = join(host.directory, "etc", "hooks", "network");
  const held = join(host.directory, "held");
  const goOn = join(host.directory, "go-on");
  mkdirSync(join(host.directory, "etc", "hooks"));
  writeFileSync(
    hook,
    `#!/bin/sh\n[ "$2" = started ] || exit 0\ntouch ${held}\nuntil [ -e ${goOn} ]; do sleep 0.1; done\n`,
  );
  chmodSync(hook, 0o755);
  await host.kill();
  await host.start();
  const making = run.create("Network", "lab", inputs).then(
    () => "made",
    (error: unknown) => String(error),
  );
  await waitFor("start of the network", () => existsSync(held));
  await host.kill();
  rmSync(hook);
  writeFileSync(goOn, "");
  await host.start();
  expect(await making).toContain("ended during networkCreate");
}

async function mend(as = owner): Promise<string> {
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  const report = new Reporter({ write, isTerminal: false, columns: 200 }, false);
  await removeLeftBridges([{ uri: host.qemuUri, owner: as }], report, () => onHost("sh", "-s"));
  return text;
}

it("the next run removes what is left and makes the network as if nothing had been", async () => {
  const nothing = await found();
  const made = await run.create("Network", "lab", inputs);
  const wanted = await found();
  expect(wanted.links).toEqual(["left0"]);
  await run.delete(made);
  expect(await found()).toEqual(nothing);

  await killWhileStarting();
  expect((await found()).links).toEqual(["left0"]);
  const refused = await run.create("Network", "lab", inputs).then(
    () => "made",
    (error: unknown) => String(error),
  );
  expect(refused).toContain('the bridge "left0" of network "leftlab" exists already');
  expect(refused).toContain("pkill -f dnsmasq/leftlab.conf; ip link delete left0");

  expect(await mend()).toContain("Removed the bridge left0");
  expect(await found()).toEqual(nothing);
  const again = await run.create("Network", "lab", inputs);
  expect(await found()).toEqual(wanted);
  expect(await mend()).toBe("");
  expect(await found()).toEqual(wanted);
  await run.delete(again);
  expect(await found()).toEqual(nothing);
});

it("a bridge with another MAC, with a device on it or of another owner stays", async () => {
  await killWhileStarting();
  expect(await mend("owner-of-another-stack")).toBe("");

  said("ip", "tuntap", "add", "port0", "mode", "tap");
  said("ip", "link", "set", "port0", "master", "left0");
  expect(await mend()).toMatch(/The bridge left0 stays .*\(devices are on it\)/);
  said("ip", "link", "delete", "port0");

  const { links } = await found();
  const mac = /link\/ether (\S+)/.exec(said("ip", "-o", "link", "show", "left0"))?.[1] ?? "";
  said("ip", "link", "set", "left0", "address", "52:54:00:00:00:01");
  expect(await mend()).toBe("");
  expect((await found()).links).toEqual(links);

  said("ip", "link", "set", "left0", "address", mac);
  expect(await mend()).toContain("Removed the bridge left0");
  expect((await found()).links).toEqual([]);
});
