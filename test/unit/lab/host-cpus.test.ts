import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hostCpusOf, pinnedCpusOf } from "../../../lab/host-cpus.ts";
import { definitionOf } from "../../../providers/libvirt/resources/domain/definition.ts";
import { renderDomain } from "../../../providers/libvirt/resources/domain/xml/render.ts";
import { parseXml, renderXml } from "../../../providers/libvirt/xml/index.ts";

const pinsIn = (text: string) => pinnedCpusOf(parseXml(`<domain>${text}</domain>`));

describe("the CPUs that a domain is pinned to", () => {
  it("are read in the order of its virtual CPUs", () => {
    const tune =
      "<vcpupin vcpu='10' cpuset='3'/><vcpupin vcpu='2' cpuset='9'/><vcpupin vcpu='0' cpuset='5'/>";
    expect(pinsIn(`<vcpu>11</vcpu><cputune>${tune}</cputune>`)).toEqual([5, 9, 3]);
  });

  it("are all that any of its pins allows", () => {
    const tune = "<vcpupin vcpu='0' cpuset='0-3,^2'/><emulatorpin cpuset='7'/>";
    expect(pinsIn(`<cputune>${tune}</cputune>`)).toEqual([0, 1, 3]);
    expect(pinsIn("<vcpu placement='static' cpuset='4-5'>2</vcpu>")).toEqual([4, 5]);
  });

  it("are none without pins, and with a set that cannot be read", () => {
    expect(pinsIn("<vcpu>2</vcpu>")).toEqual([]);
    expect(pinsIn("<cputune><shares>2048</shares><vcpupin vcpu='0' cpuset='all'/></cputune>")).toEqual([]);
  });

  it("are those that a definition of ours was given", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(511), { minLength: 1, maxLength: 20 }), (ids) => {
        const definition = definitionOf({
          name: "n",
          vcpus: ids.length,
          memoryMiB: 64,
          cpuPins: ids.map((id, vcpu) => ({ vcpu, cpuset: String(id) })),
        });
        const mark = { owner: "o", urn: "u", inputHash: "h", generation: "g" };
        const made = renderDomain(definition, { uuid: "u", sources: new Map(), mark, testDriver: false });
        expect(pinnedCpusOf(parseXml(renderXml(made)))).toEqual(ids);
      }),
    );
  });
});

describe("the CPUs of a host", () => {
  const host = (cells: string) => hostCpusOf(parseXml(`<capabilities><host>${cells}</host></capabilities>`));

  it("are told by NUMA node", () => {
    const cell = (id: number, ...cpus: number[]) =>
      `<cell id='${id}'><cpus num='2'>${cpus.map((cpu) => `<cpu id='${cpu}' core_id='0'/>`).join("")}</cpus></cell>`;
    expect(host(`<topology><cells num='2'>${cell(0, 0, 2)}${cell(1, 1, 3)}</cells></topology>`)).toEqual({
      known: true,
      value: [
        { id: 0, numaNode: 0 },
        { id: 1, numaNode: 1 },
        { id: 2, numaNode: 0 },
        { id: 3, numaNode: 1 },
      ],
    });
  });

  it("are not known where libvirt does not tell them", () => {
    expect(host("<cpu/>")).toEqual({ known: false, why: expect.stringContaining("NUMA") });
  });
});
