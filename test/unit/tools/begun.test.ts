import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withBegun } from "../../../tools/state/begun.ts";

const provider = "urn:pulumi:dev::lab::pulumi:providers:libvirt::host";
const stackUrn = "urn:pulumi:dev::lab::pulumi:pulumi:Stack::lab-dev";
const urnOf = (type: string, name: string): string => `urn:pulumi:dev::lab::${type}::${name}`;

const base = [
  { urn: stackUrn, custom: false, type: "pulumi:pulumi:Stack" },
  { urn: provider, custom: true, id: "1", type: "pulumi:providers:libvirt", inputs: { uri: "test:///" } },
];

function creating(kind: string, name: string, more: object = {}) {
  const type = `libvirt:index:${kind}`;
  const inputs = { name, pool: "lab", secret: { ciphertext: "v1:abc" } };
  return {
    type: "creating",
    resource: {
      urn: urnOf(type, name),
      custom: true,
      type,
      inputs,
      parent: stackUrn,
      provider: `${provider}::1`,
      ...more,
    },
  };
}

function begun(resources: readonly object[], operations: readonly object[]) {
  const exported = {
    version: 3,
    deployment: {
      manifest: { version: "v3" },
      secrets_providers: { type: "passphrase" },
      resources,
      pending_operations: operations,
    },
  };
  const { names, text } = withBegun(exported);
  const { deployment, ...rest }: { deployment: { resources: { urn: string }[] } } = JSON.parse(text);
  return { deployment, names, rest, urns: deployment.resources.map(({ urn }) => urn) };
}

describe("creations that are open", () => {
  it("become resources with what was recorded of them, and an id that the provider finds them by", () => {
    const volume = creating("Volume", "image", { protect: true });
    const machine = creating("Domain", "node");
    const { deployment, names, rest } = begun(base, [volume, machine]);
    expect(names).toEqual(["image", "node"]);
    expect(rest).toEqual({ version: 3 });
    expect(deployment).toEqual({
      manifest: { version: "v3" },
      secrets_providers: { type: "passphrase" },
      resources: expect.arrayContaining([
        ...base,
        { ...volume.resource, id: "lab/image", outputs: { begun: true } },
        { ...machine.resource, id: "node", outputs: { begun: true } },
      ]),
    });
  });

  it("are forgotten where they are of no libvirt host, and so are other operations", () => {
    const command = { urn: urnOf("command:local:Command", "wait"), type: "command:local:Command" };
    const pool = { ...creating("Pool", "lab").resource, id: "lab" };
    const { names, urns } = begun(
      [...base, pool],
      [
        { type: "creating", resource: command },
        { type: "updating", resource: pool },
        { type: "deleting", resource: pool },
      ],
    );
    expect(names).toEqual([]);
    expect(urns).toEqual([...base, pool].map(({ urn }) => urn));
  });

  it("take the place of what was deleted for them", () => {
    const old = { ...creating("Domain", "node").resource, id: "old", pendingReplacement: true };
    const { deployment, urns } = begun([...base, old], [creating("Domain", "node")]);
    expect(urns.filter((urn) => urn === old.urn)).toHaveLength(1);
    expect(deployment.resources).not.toContainEqual(expect.objectContaining({ id: "old" }));
  });

  it("stand beside what was to be deleted after them, and beside what waits for that already", () => {
    const old = { ...creating("Volume", "image").resource, id: "lab/old" };
    const older = { ...old, id: "lab/older", delete: true };
    const { deployment } = begun([...base, old, older], [creating("Volume", "image")]);
    expect(deployment.resources).toEqual(
      expect.arrayContaining([
        { ...old, delete: true },
        older,
        expect.objectContaining({ id: "lab/image", outputs: { begun: true } }),
      ]),
    );
  });

  it("stand behind all that they need and before all that needs them", () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,6}$/), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(names, fc.infiniteStream(fc.boolean()), (all, chosen) => {
        const pick = () => chosen.next().value === true;
        const operations = all.map((name, index) => {
          const needs = all
            .slice(0, index)
            .filter(pick)
            .map((other) => urnOf("libvirt:index:Network", other));
          const byProperty = pick();
          return creating(
            "Network",
            name,
            byProperty ? { propertyDependencies: { bridge: needs } } : { dependencies: needs },
          );
        });
        // Some are recorded, as dependents in the last state are; what is open is one of them.
        const open = operations[Math.floor(all.length / 2)];
        if (open === undefined) throw new Error("there is always one in the middle");
        const recorded = operations.filter((operation) => operation !== open);
        const before = recorded.map(({ resource }) => ({ ...resource, id: resource.inputs.name }));
        const { urns } = begun([...base, ...before], [open]);
        const at = (urn: string) => urns.indexOf(urn);
        const needed = [
          ...Object.values(open.resource).flatMap((value) => (Array.isArray(value) ? value : [])),
          stackUrn,
          provider,
        ];
        for (const urn of needed) expect(at(urn)).toBeLessThan(at(open.resource.urn));
        expect(urns.filter((urn) => urn !== open.resource.urn)).toEqual(
          [...base, ...before].map(({ urn }) => urn),
        );
        const dependents = recorded.filter(({ resource }) =>
          JSON.stringify(resource).includes(`${open.resource.urn}"`),
        );
        for (const { resource } of dependents)
          expect(at(resource.urn)).toBeGreaterThan(at(open.resource.urn));
      }),
    );
  });
});
