import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectHostFacts } from "../../../lab/host-facts.ts";
import { createLibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";

let daemon: OwnLibvirtd;
beforeAll(async () => {
  daemon = await startOwnLibvirtd();
});
afterAll(() => daemon?.stop());

const query = (uri: string) => ({
  uri,
  owner: "stack-a",
  poolUuid: "00000000-0000-5000-8000-000000000001",
  pool: "lab-pool",
  kvm: { known: false, why: "nobody tried" } as const,
});

describe("the facts of a host", () => {
  it("tell its CPUs and who is pinned to them", async () => {
    const client = createLibvirtClient(daemon.qemuUri);
    const define = (name: string, tune: string) =>
      client.domainDefineXml(
        `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>2</vcpu>${tune}<os><type>hvm</type></os></domain>`,
      );
    try {
      await define(
        "pinned",
        "<cputune><vcpupin vcpu='1' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/></cputune>",
      );
      await define("free", "");
    } finally {
      await client.close();
    }
    const facts = await collectHostFacts(query(daemon.qemuUri));
    const { cpus, domains, networkFilters } = facts;
    expect(networkFilters.known && networkFilters.value).toContain("clean-traffic");
    expect(cpus.known && cpus.value.map(({ id }) => id)).toEqual(expect.arrayContaining([0, 1]));
    expect(domains.known && domains.value.map(({ name, pinnedCpus }) => [name, pinnedCpus]).sort()).toEqual([
      ["free", []],
      ["pinned", [1, 0]],
    ]);
  });

  it("say why they are not known where the host cannot be reached", async () => {
    const facts = await collectHostFacts(query("qemu+unix:///system?socket=/nowhere/libvirt-sock"));
    for (const fact of [facts.cpus, facts.domains, facts.networkFilters]) {
      expect(fact).toEqual({ known: false, why: expect.stringContaining("/nowhere/libvirt-sock") });
    }
  });
});
