export {
  byTier,
  type EvacuationStep,
  evacuationHold,
  evacuationStep,
  type HostMachine,
  type HostSurvey,
  isEvacuated,
  type OtherMachine,
  type RecordedMachine,
  surveyOf,
} from "./machines.ts";
export {
  bringBack,
  evacuate,
  type MachineResult,
  type MaintenanceContext,
  type MaintenanceObserver,
  type MaintenanceOrder,
  surveyHost,
} from "./maintenance.ts";
