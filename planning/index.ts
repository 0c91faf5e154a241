export { type ControllerDocument, controllerDocument } from "./controller-document.ts";
export * from "./facts.ts";
export { hasErrors, printFindings } from "./findings.ts";
export { imageRequests } from "./images.ts";
export type * from "./plan.ts";
export { type PlanOptions, planLab } from "./plan-lab.ts";
export {
  machineNames,
  type PowerDeclarations,
  poweredByFile,
  readPowerDeclarations,
  selectable,
  selectMachines,
} from "./power.ts";
