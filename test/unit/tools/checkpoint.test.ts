import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDeployment } from "../../../tools/state/checkpoint.ts";

const resources = [
  {
    urn: "urn:pulumi:dev::hyperlab::libvirt:index:Volume::state",
    type: "libvirt:index:Volume",
    protect: true,
  },
  { urn: "urn:pulumi:dev::hyperlab::libvirt:index:Domain::n1", type: "libvirt:index:Domain" },
  {
    urn: "urn:pulumi:dev::hyperlab::pulumi:providers:libvirt::host",
    type: "pulumi:providers:libvirt",
    inputs: { uri: "qemu:///system", owner: "x" },
  },
];
const pending_operations = [{ resource: { urn: "urn:x::n2" }, type: "creating" }];
const expected = {
  resources: [
    { ...resources[0], protect: true },
    { ...resources[1], protect: false },
    { urn: resources[2]?.urn, type: "pulumi:providers:libvirt", protect: false },
  ],
  hosts: ["qemu:///system"],
  pending: [{ urn: "urn:x::n2", type: "creating" }],
};

describe("state", () => {
  it("is read as the file backend stores it", () => {
    expect(parseDeployment({ checkpoint: { latest: { resources, pending_operations } } })).toEqual(expected);
  });

  it("is read as the engine exports it", () => {
    expect(parseDeployment({ version: 3, deployment: { resources, pending_operations } })).toEqual(expected);
  });

  it("is empty for a stack without deployment, and for anything else", () => {
    for (const content of [
      { checkpoint: { latest: null } },
      {},
      null,
      "x",
      { deployment: { resources: 3 } },
    ]) {
      expect(parseDeployment(content)).toEqual({ resources: [], hosts: [], pending: [] });
    }
    fc.assert(fc.property(fc.jsonValue(), (content) => void parseDeployment(content)));
  });
});
