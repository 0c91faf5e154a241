import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import { type Definition, definitionOf } from "../../../providers/libvirt/resources/domain/definition.ts";
import { parseDomain } from "../../../providers/libvirt/resources/domain/xml/parse.ts";
import { type DiskSource, renderDomain } from "../../../providers/libvirt/resources/domain/xml/render.ts";
import { renderXml } from "../../../providers/libvirt/xml/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { domainInputs } from "../../unit/domain/generators.ts";
import { connect } from "./harness.ts";

/** Definitions as the QEMU driver normalises them. */

let daemon: OwnLibvirtd;
let client: LibvirtClient;

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
  client = connect(daemon.qemuUri);
});
afterAll(async () => {
  await client?.close();
  await daemon?.stop();
});

describe("definitions", () => {
  it("come back from libvirt as they were given, with validation", async () => {
    await fc.assert(
      fc.asyncProperty(domainInputs, async (inputs) => {
        const definition = definitionOf({ ...inputs, name: "roundtrip" });
        const given = { uuid: "11111111-2222-5333-8444-555555555556", sources: sourcesOf(definition), mark };
        const ref = await client.domainDefineXml(renderXml(renderDomain(definition, given)));
        try {
          const xml = await client.domainGetXmlDesc(ref, { inactive: true });
          const parsed = parseDomain(xml, { volumeAt, declared: definition });
          expect(parsed.definition).toEqual(inXml(definition));
          expect(parsed.unmanaged).toEqual([]);
          expect(parsed.mark).toEqual(mark);
          expect(parsed.rootVolume).toEqual(definition.rootDisk === undefined ? undefined : mark.disks[0]);
        } finally {
          await client.domainUndefine(ref, { nvram: true });
        }
      }),
      { numRuns: 150 },
    );
  });

  const mark = {
    owner: "owner-1234",
    urn: "urn",
    inputHash: "abc",
    generation: "0123456789abcdef",
    disks: [{ pool: "lab", volume: "root.qcow2" }],
  };

  function sourcesOf(definition: Definition): Map<string, DiskSource> {
    const disks = definition.disks.map((disk): [string, DiskSource] => [
      disk.target,
      { path: `/pools/${disk.pool}/${disk.volume}`, format: "raw" },
    ]);
    return new Map([...disks, ["vda", { path: "/pools/lab/root.qcow2", format: "qcow2" }]]);
  }

  function volumeAt(path: string) {
    const match = /^\/pools\/([^/]+)\/(.+)$/.exec(path);
    return match?.[1] === undefined || match[2] === undefined
      ? undefined
      : { pool: match[1], volume: match[2] };
  }

  function inXml(definition: Definition): Definition {
    const { rootDisk: _rootDisk, ...rest } = definition;
    return {
      ...rest,
      interfaces: rest.interfaces.map(({ address: _address, hostname: _hostname, ...nic }) => nic),
    };
  }
});
