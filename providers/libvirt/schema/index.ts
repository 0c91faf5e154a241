export { type Change, changesOf, withDefaults, worstEffect } from "./changes.ts";
export {
  type Effect,
  effectOrder,
  effectsOf,
  type FieldRow,
  type InputsOf,
  type ResourceName,
} from "./effects.ts";
export { sameTarget, targetOf } from "./target.ts";
export { checkInputs, decodeInputs } from "./validate.ts";
