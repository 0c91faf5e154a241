import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";

let daemon: OwnLibvirtd;
let client: LibvirtClient;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = createLibvirtClient(daemon.qemuUri);
});

afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});

const definition = (extra = "") => `<network>
  <name>lab</name>
  <bridge name='hl-test0'/>
  <dns/>
  <ip address='10.213.0.1' prefix='24'><dhcp><range start='10.213.0.100' end='10.213.0.200'/></dhcp></ip>
  ${extra}
</network>`;

afterEach(async () => {
  const ref = await client.networkLookupByName("lab");
  if (ref === undefined) return;
  if (await client.networkIsActive(ref)) await client.networkDestroy(ref);
  await client.networkUndefine(ref);
});

it("define, look up, list, autostart, describe, undefine", async () => {
  expect(await client.networkLookupByName("lab")).toBeUndefined();
  const ref = await client.networkDefineXml(definition());
  expect(await client.networkLookupByName("lab")).toEqual(ref);
  expect(await client.networkLookupByUuid(ref.uuid)).toEqual(ref);
  expect(await client.networkList()).toEqual([ref]);
  expect(await client.networkList({ inactive: true })).toEqual([ref]);
  expect(await client.networkList({ active: true })).toEqual([]);
  expect(await client.networkGetAutostart(ref)).toBe(false);
  await client.networkSetAutostart(ref, true);
  expect(await client.networkGetAutostart(ref)).toBe(true);
  expect(await client.networkGetXmlDesc(ref, { inactive: true })).toContain("10.213.0.100");
  await client.networkUndefine(ref);
  expect(await client.networkLookupByUuid(ref.uuid)).toBeUndefined();
});

it("validation refuses what the schema does not know", async () => {
  await expect(client.networkDefineXml(definition("<nonsense/>"))).rejects.toMatchObject({
    codeName: "VIR_ERR_XML_INVALID_SCHEMA",
    target: "network lab",
  });
});

it("entries of a running network are added and removed live and in the definition", async () => {
  const ref = await client.networkDefineXml(definition());
  await client.networkCreate(ref);
  expect(await client.networkIsActive(ref)).toBe(true);
  const both = { live: true, config: true };
  const reservation = "<host mac='52:54:00:00:00:01' name='node-1' ip='10.213.0.11'/>";
  const record = "<host ip='10.213.0.11'><hostname>node-1.lab</hostname></host>";
  await client.networkUpdate(ref, "add-last", "ip-dhcp-host", -1, reservation, both);
  await client.networkUpdate(ref, "add-last", "dns-host", -1, record, both);
  for (const inactive of [false, true]) {
    const xml = await client.networkGetXmlDesc(ref, { inactive });
    expect(xml).toContain("mac='52:54:00:00:00:01'");
    expect(xml).toContain("<hostname>node-1.lab</hostname>");
  }
  await expect(
    client.networkUpdate(ref, "add-last", "ip-dhcp-host", -1, reservation, both),
  ).rejects.toMatchObject({ name: "LibvirtError", operation: "networkUpdate add-last ip-dhcp-host" });
  await client.networkUpdate(ref, "delete", "ip-dhcp-host", -1, reservation, both);
  expect(await client.networkGetXmlDesc(ref)).not.toContain("52:54:00:00:00:01");
  expect(await client.networkGetDhcpLeases(ref)).toEqual([]);
  await client.networkDestroy(ref);
  expect(await client.networkIsActive(ref)).toBe(false);
});

it("metadata of a network, where the daemon has it", async () => {
  const ref = await client.networkDefineXml(definition());
  const uri = "https://example.org/hyperlab-test";
  const hasMetadata = (await client.getLibVersion()) >= 9_007_000;
  const set = client.networkSetMetadata(
    ref,
    { uri, key: "hyperlab", xml: "<owner id='1'/>" },
    { config: true },
  );
  if (hasMetadata) {
    await set;
    expect(await client.networkGetMetadata(ref, uri)).toContain('id="1"');
  } else await expect(set).rejects.toMatchObject({ codeName: "VIR_ERR_RPC" });
});
