import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { identityState, madeBy, parseEmptyState } from "../../../tools/adopt/identity-state.ts";
import { type StackMark, selectRecord } from "../../../tools/adopt/select.ts";

const uri = "qemu:///system";
const wanted = { stack: "dev", project: "hyperlab", controller: "lab-controller" };
const type = "hyperlab:index:HpcCluster$libvirt:index:Domain";
const urn = (name: string, stack = "dev", project = "hyperlab"): string =>
  `urn:pulumi:${stack}::${project}::${type}::${name}`;
const keeper: StackMark = {
  machine: "lab-controller",
  owner: "o",
  urn: urn("lab-controller"),
  record: "AQ==",
};

describe("the record of a stack", () => {
  it("is its controller's, whatever else is on the host", () => {
    const foreign = fc.record({
      machine: fc.string({ minLength: 1 }).filter((name) => name !== wanted.controller),
      owner: fc.constantFrom("o", "other"),
      urn: fc.constantFrom(urn("x"), urn("x", "prod"), urn("x", "dev", "mine"), "odd"),
      record: fc.option(fc.constant("Ag=="), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(foreign), fc.array(foreign), (before, after) => {
        const marks = [...before, keeper, ...after].map(
          ({ record, ...rest }): StackMark => ({
            ...rest,
            ...(record === undefined ? {} : { record }),
          }),
        );
        const found = selectRecord(marks, wanted, uri);
        expect(found).toMatchObject({ kind: "found", owner: "o", record: "AQ==" });
        const own = marks.filter(
          (mark) => mark.owner === "o" && mark.urn.startsWith("urn:pulumi:dev::hyperlab::"),
        );
        expect(found.kind === "found" && found.machines).toEqual(own.map(({ machine }) => machine));
      }),
    );
  });

  it("is not another stack's, nor of another project, and what there is is named", () => {
    for (const [stack, project] of [
      ["prod", "hyperlab"],
      ["dev", "mine"],
    ] as const) {
      const other = { ...keeper, urn: urn("lab-controller", stack, project) };
      expect(selectRecord([other], wanted, uri)).toMatchObject({
        kind: "none",
        problem: `${uri} has no machine lab-controller of stack dev in project hyperlab; it has records of lab-controller (stack ${stack}, project ${project})`,
      });
    }
    expect(selectRecord([], wanted, uri)).toMatchObject({
      problem: expect.stringContaining("it has no machine with a recovery record"),
    });
    const { record: _record, ...without } = keeper;
    expect(selectRecord([without], wanted, uri)).toMatchObject({
      problem: expect.stringContaining("keeps no recovery record"),
      fix: expect.stringContaining("hyperlab restore FILE --state"),
    });
  });
});

describe("the state that knows its stack only", () => {
  const exported = JSON.stringify({
    version: 3,
    deployment: {
      manifest: { version: "v3" },
      secrets_providers: { type: "passphrase", state: { salt: "s" } },
      metadata: {},
    },
  });

  it("has identity and decisions under the names that the program gives them, and the secret as one", () => {
    const recovery = {
      owner: "o",
      secret: "ab".repeat(32),
      keyGenerations: {},
      decisions: { "lab-kvm": { known: true } },
    };
    const names = { lab: "lab", project: "hyperlab", stack: "dev" };
    const { deployment } = JSON.parse(identityState(names, recovery, parseEmptyState(exported)));
    const resources: { urn: string; type: string; parent?: string; inputs?: { input: unknown } }[] =
      deployment.resources;
    const inputs = Object.fromEntries(
      resources.map(({ inputs: given, urn: of }) => [of.split("::").at(-1), given?.input]),
    );
    expect(inputs).toMatchObject({
      "lab-owner": "o",
      "lab-secret": { plaintext: JSON.stringify(recovery.secret) },
      "lab-kvm": { known: true },
    });
    const seen = new Set<string>();
    for (const { parent, urn: of } of resources) {
      expect(parent === undefined || seen.has(parent)).toBe(true);
      seen.add(of);
    }
    expect(deployment.secrets_providers).toEqual({ type: "passphrase", state: { salt: "s" } });
    expect(madeBy(resources)).toEqual([]);
  });

  it("is not made where the engine does not say how secrets are kept", () => {
    expect(() => parseEmptyState('{"version": 3, "deployment": {"manifest": {}}}')).toThrow(
      /nothing was changed/,
    );
  });

  it("is told from one that made something on a host", () => {
    const of = (...types: string[]) => madeBy(types.map((each) => ({ type: each })));
    expect(
      of(
        "pulumi:pulumi:Stack",
        "pulumi:providers:libvirt",
        "hyperlab:index:HpcCluster",
        "command:local:Command",
      ),
    ).toEqual([]);
    expect(of("pulumi:index:Stash", "libvirt:index:Pool", "command:remote:Command")).toHaveLength(2);
  });
});
