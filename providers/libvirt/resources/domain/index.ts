export type { GuestAgent, ProgramResult } from "./agent/agent.ts";
export type { Clock } from "./clock.ts";
export { domainHandler } from "./handler.ts";
export { holdOf, holdText, releaseCommand } from "./hold.ts";
export { type HeldMachine, placeHold, readHold, releaseHold, restoreHold } from "./lifecycle/hold.ts";
export { type Facts, type Power, recordedFacts } from "./plan/facts.ts";
export { createLine, deleteLine } from "./plan/line.ts";
export { type Action, type DomainPlan, isHeavier, planDomain } from "./plan/plan.ts";
export { type DomainParts, type Run, realParts } from "./run.ts";
