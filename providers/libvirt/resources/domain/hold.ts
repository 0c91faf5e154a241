import { findHold, type Hold } from "../../ownership/index.ts";
import { child, type XmlElement } from "../../xml/index.ts";

/** The hold in a domain's parsed XML; undefined without one. */
export const holdOf = (domain: XmlElement): Hold | undefined => findHold(child(domain, "metadata"));

/** `held off since TIME by WHO: WHY`. */
export function holdText({ power, since, by, reason }: Hold): string {
  return `held ${power === "off" ? "off" : "on"} since ${since} by ${by}${reason === "" ? "" : `: ${reason}`}`;
}

/** The command that takes a hold away. */
export function releaseCommand({ kind }: Hold, machine: string): string {
  return kind === "evacuation" ? "hyperlab host return" : `hyperlab start ${machine}`;
}
