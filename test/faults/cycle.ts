/** The lab of the campaign: what it declares in each phase, and which machines a phase touches. */
import type { DomainInputs } from "../../providers/libvirt/resources/inputs.ts";
import type { Declaration } from "../engine/support/declaration.ts";
import { machine } from "../engine/support/guest.ts";
import type { Phase } from "./plan.ts";

/** Where the lab's files are. */
export interface Places {
  readonly uri: string;
  readonly pool: string;
  readonly images: readonly [one: string, two: string];
}

/** Of the lab's network. */
export const bridge = "lab0";

/** MACs that the campaign declares begin with this; others are libvirt's own for its bridges. */
export const macs = "52:54:00:50:00";

/** Machines that the phase makes, changes or removes: these stop or start, the others stay as they are. */
export const touched: Readonly<Record<Phase, readonly string[]>> = {
  create: ["lab-worker", "lab-leaving", "lab-steady"],
  scale: ["lab-added", "lab-leaving"],
  rebuild: ["lab-worker"],
  resize: ["lab-worker"],
  destroy: ["lab-worker", "lab-added", "lab-steady"],
};

/** What is declared when the phase is done; in `destroy` it is what the phase before declared. */
export function declarationOf(phase: Phase, { uri, pool, images }: Places): Partial<Declaration> {
  const [one, two] = images;
  const resized = phase === "resize" || phase === "destroy";
  const image = phase === "create" || phase === "scale" ? "one" : "two";
  const other = phase === "create" ? "lab-leaving" : "lab-added";
  const worker: Partial<DomainInputs> = {
    memoryMiB: resized ? 80 : 64,
    rootDisk: { pool: "lab", image, sizeMiB: resized ? 5 : 4 },
    disks: [{ pool: "lab", volume: "data", target: "vdb" }],
  };
  return {
    uri,
    pools: { pool: { name: "lab", path: pool } },
    networks: { network: { name: "lab", mode: "isolated", bridge, address: "10.50.0.1/24" } },
    volumes: {
      one: { name: "one", pool: "lab", source: { path: one, id: "one" } },
      two: { name: "two", pool: "lab", source: { path: two, id: "two" } },
      data: { name: "data", pool: "lab", sizeMiB: resized ? 3 : 2 },
    },
    domains: {
      steady: node("lab-steady", 1),
      worker: node("lab-worker", 2, worker),
      [other]: node(other, other === "lab-leaving" ? 3 : 4),
    },
  };
}

function node(name: string, number: number, more: Partial<DomainInputs> = {}): DomainInputs {
  return machine(name, {
    rootDisk: { pool: "lab", image: "one", sizeMiB: 4 },
    interfaces: [{ network: "lab", mac: `${macs}:0${number}` }],
    ...more,
  });
}
