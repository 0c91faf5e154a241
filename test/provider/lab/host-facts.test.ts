import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectHostFacts } from "../../../lab/host-facts.ts";
import { createLibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { domainMarkElement } from "../../../providers/libvirt/resources/domain/mark.ts";
import { element, renderXml } from "../../../providers/libvirt/xml/index.ts";
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

  it("tell which image the root disk of a machine of this stack began with, also while it is off", async () => {
    const client = createLibvirtClient(daemon.qemuUri);
    const folder = join(daemon.directory, "images");
    mkdirSync(folder);
    const volume = (name: string, backing = "") =>
      `<volume><name>${name}</name><capacity unit='MiB'>4</capacity><target><format type='qcow2'/></target>${backing}</volume>`;
    const mark = { owner: "stack-a", urn: "urn:x", inputHash: "0", generation: "g" };
    const define = (name: string, metadata: string) =>
      client.domainDefineXml(
        `<domain type='qemu'><name>${name}</name>${metadata}<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${folder}/over.qcow2'/><target dev='vda' bus='virtio'/></disk></devices></domain>`,
      );
    try {
      const pool = await client.storagePoolDefineXml(
        `<pool type='dir'><name>lab-pool</name><target><path>${folder}</path></target></pool>`,
      );
      await client.storagePoolCreate(pool);
      await client.storageVolCreateXml(pool, volume("lab-base-1.qcow2"));
      const below = `<backingStore><path>${folder}/lab-base-1.qcow2</path><format type='qcow2'/></backingStore>`;
      await client.storageVolCreateXml(pool, volume("over.qcow2", below));
      await define("ours", renderXml(element("metadata", {}, [domainMarkElement(mark, "definition")])));
      await define("theirs", "");
    } finally {
      await client.close();
    }
    const { domains } = await collectHostFacts(query(daemon.qemuUri));
    const seen = domains.known ? domains.value.map(({ name, rootImage }) => [name, rootImage]) : [];
    expect(seen).toEqual(
      expect.arrayContaining([
        ["ours", "lab-base-1.qcow2"],
        ["theirs", undefined],
      ]),
    );
  });

  it("name a bridge that has no address", () => {
    const file = fileURLToPath(new URL("../../../lab/host-interfaces.ts", import.meta.url));
    const program = `const { interfacesHere } = await import(${JSON.stringify(file)}); console.log(interfacesHere().join(" "));`;
    const script =
      'mount -t sysfs sysfs /sys; ip link add br7 type bridge; exec "$0" --input-type=module -e "$1"';
    const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    const namespaces = [...user, "--net", "--mount"];
    const named = execFileSync("unshare", [...namespaces, "sh", "-ec", script, process.execPath, program], {
      encoding: "utf8",
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    });
    expect(named.trim().split(" ").sort()).toEqual(["br7", "lo"]);
  });

  it("say why they are not known where the host cannot be reached", async () => {
    const facts = await collectHostFacts(query("qemu+unix:///system?socket=/nowhere/libvirt-sock"));
    for (const fact of [facts.cpus, facts.domains, facts.networkFilters]) {
      expect(fact).toEqual({ known: false, why: expect.stringContaining("/nowhere/libvirt-sock") });
    }
  });
});
