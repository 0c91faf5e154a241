/** What is seen of a host: here, through ssh, and where nobody answers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkHostState } from "../../../tools/host/checks/index.ts";
import { forwardNeeds, gatherHost } from "../../../tools/host/gather.ts";
import { probeCommand, probeSystem } from "../../../tools/host/probe.ts";
import { cacheFolder } from "../../../tools/paths.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { type OwnSshHost, startOwnSshHost } from "../../support/ssh-host.ts";

let daemon: OwnLibvirtd;
let sshd: OwnSshHost;
const path = process.env.PATH;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  sshd = await startOwnSshHost();
  process.env.PATH = sshd.path;
});
afterAll(async () => {
  process.env.PATH = path;
  await sshd?.stop();
  await daemon?.stop();
});

describe("the probe of a host", () => {
  it("finds the same through ssh, by the user's own configuration, as without", async () => {
    const here = await probeSystem(daemon.qemuUri);
    const there = await probeSystem(`qemu+ssh://${sshd.host}/system`);
    expect(here.memory).toMatchObject({ known: true });
    // Others on this machine may change its firewall meanwhile.
    const rules = { nftables: undefined, iptables: undefined };
    expect({ ...there, ...rules }).toEqual({ ...here, ...rules });
  });

  it("says why where nobody answers", async () => {
    const system = await probeSystem("qemu+ssh://no-such-host.invalid/system");
    expect(system.units).toMatchObject({ known: false, why: expect.stringContaining("ssh ended with 255") });
    const slow = await probeSystem(`qemu+ssh://${sshd.host}/system`, 1);
    expect(slow.memory).toMatchObject({
      known: false,
      why: expect.stringContaining("did not answer within"),
    });
  });

  it("hands no part of a URI to ssh as an option", () => {
    const { args } = probeCommand("qemu+ssh://ada@host:2222/system");
    expect(args.slice(-3)).toEqual(["--", "host", "sh -s"]);
    expect(args.join(" ")).toContain("-p 2222 -l ada");
  });
});

describe("the facts of a host", () => {
  it("hold machines and memory of libvirt", async () => {
    const state = await gatherHost(daemon.testUri, [], cacheFolder());
    expect(state.libvirt).toMatchObject({ known: true });
    expect(state.libvirt.known && state.libvirt.value.domains.map(({ name }) => name)).toEqual(["test"]);
  });

  it("are unknown where libvirt does not answer, and every check says so", async () => {
    const state = await gatherHost("qemu+ssh://no-such-host.invalid/system", [], daemon.directory);
    const findings = checkHostState(state, { machines: [], forward: forwardNeeds(undefined, "") });
    expect([...new Set(findings.map((finding) => finding.state))]).toEqual(["unknown"]);
  });
});
