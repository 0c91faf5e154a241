import type { EngineEvent, ResourceStep } from "../../../tools/report/engine-events.ts";

/** Events of the engine for what shows them. */
export const urnOf = (name: string): string => `urn:pulumi:dev::hyperlab::libvirt:index:Domain::${name}`;
export const step = (
  name: string,
  operation: ResourceStep["operation"],
  more: Partial<ResourceStep> = {},
): ResourceStep => ({
  operation,
  urn: urnOf(name),
  type: "libvirt:index:Domain",
  name,
  custom: true,
  changed: [],
  protect: false,
  records: false,
  ...more,
});
export const STACK = "pulumi:pulumi:Stack";
export const start = (of: ResourceStep): EngineEvent => ({ kind: "start", step: of, atMs: 0 });
export const end = (of: ResourceStep): EngineEvent => ({ kind: "end", step: of, atMs: 0 });
export const info = (name: string, text: string, ephemeral = false): EngineEvent => ({
  kind: "message",
  severity: "info",
  text,
  urn: urnOf(name),
  ephemeral,
});
