import type { DomainRef, DomainStateInfo } from "../client/types.ts";
import type { DomainSnapshot } from "../context.ts";
import { findHold, findMark, type Hold } from "../ownership/index.ts";
import { domainMarkOf, type Pending } from "../resources/domain/mark.ts";
import type { DomainInputs } from "../resources/inputs.ts";
import { child, parseXml } from "../xml/index.ts";

/** A machine as the stack's state has it. */
export interface RecordedMachine {
  readonly urn: string;
  readonly name: string;
  readonly uuid: string;
  /** 0: needs no other machine; else one more than the highest tier that it needs. */
  readonly tier: number;
  /** Not made by hyperlab: it carries no mark. */
  readonly imported: boolean;
  readonly inputs: DomainInputs;
}

/** A machine of the stack as the host has it. */
export interface HostMachine extends RecordedMachine {
  readonly ref: DomainRef;
  readonly state: DomainStateInfo["state"];
  /** Starts with the host now. */
  readonly autostart: boolean;
  readonly hold: Hold | undefined;
  /** What an update has still to do with it. */
  readonly pending: Pending | undefined;
}

/** A machine that runs on the host and is not of the stack. */
export interface OtherMachine {
  readonly name: string;
  readonly whose: "another stack" | "this stack, but not in its state" | "nothing that hyperlab made";
}

/** What is on a host. */
export interface HostSurvey {
  readonly machines: readonly HostMachine[];
  readonly others: readonly OtherMachine[];
}

/** Tells the stack's machines from those of others. A name proves nothing; the mark does. */
export function surveyOf(
  snapshots: readonly DomainSnapshot[],
  recorded: readonly RecordedMachine[],
  owner: string,
): HostSurvey {
  const known = new Map(recorded.map((machine) => [machine.uuid, machine]));
  const machines: HostMachine[] = [];
  const others: OtherMachine[] = [];
  for (const snapshot of snapshots) {
    const domain = parseXml(snapshot.xml);
    const mark = findMark(child(domain, "metadata"));
    const machine = known.get(snapshot.ref.uuid);
    if (machine !== undefined && (mark?.owner === owner || (mark === undefined && machine.imported))) {
      machines.push({
        ...machine,
        ref: snapshot.ref,
        state: snapshot.state,
        autostart: snapshot.autostart,
        hold: findHold(child(domain, "metadata")),
        pending: domainMarkOf(domain)?.pending,
      });
    } else if (snapshot.state !== "shutoff") {
      const foreign = mark === undefined ? "nothing that hyperlab made" : "another stack";
      const whose = mark?.owner === owner ? "this stack, but not in its state" : foreign;
      others.push({ name: snapshot.ref.name, whose });
    }
  }
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  return { machines: machines.sort(byName), others: others.sort(byName) };
}

/** What an evacuation does with a machine. */
export type EvacuationStep =
  | { readonly kind: "stop" }
  /** Off for an evacuation that has begun before. */
  | { readonly kind: "held" }
  /** Off already: `return` leaves it so. */
  | { readonly kind: "off" }
  | { readonly kind: "refuse"; readonly why: string };

/** Decides what an evacuation does with a machine. */
export function evacuationStep(machine: Pick<HostMachine, "state" | "hold" | "pending">): EvacuationStep {
  if (machine.state === "shutoff") {
    return { kind: machine.hold?.kind === "evacuation" ? "held" : "off" };
  }
  if (machine.pending === "boot") {
    return {
      kind: "refuse",
      why: "its new root disk has not proved itself yet; finish the update first: hyperlab up",
    };
  }
  return { kind: "stop" };
}

/** The hold of a machine that is evacuated. One that an earlier evacuation wrote is kept. */
export function evacuationHold(
  machine: Pick<HostMachine, "hold" | "autostart">,
  order: { readonly by: string; readonly since: string; readonly reason: string },
): Hold {
  const present = machine.hold?.kind === "evacuation" ? machine.hold : undefined;
  const replaced = present === undefined ? machine.hold : present.replaced;
  return {
    power: "off",
    by: present?.by ?? order.by,
    since: present?.since ?? order.since,
    reason: present?.reason ?? order.reason,
    kind: "evacuation",
    ...(machine.autostart || present?.autostart === true ? { autostart: true } : {}),
    ...(replaced === undefined ? {} : { replaced }),
  };
}

/** Whether `return` brings a machine back: only what an evacuation stopped. */
export const isEvacuated = (machine: Pick<HostMachine, "hold">): boolean =>
  machine.hold?.kind === "evacuation";

/** Machines by tier, the lowest first. */
export function byTier<Machine extends { readonly tier: number }>(machines: readonly Machine[]): Machine[][] {
  const tiers = [...new Set(machines.map(({ tier }) => tier))].sort((a, b) => a - b);
  return tiers.map((tier) => machines.filter((machine) => machine.tier === tier));
}
