export { canonicalJson } from "./canonical.ts";
export {
  findHold,
  type Hold,
  holdElement,
  holdKey,
  holdNamespace,
  oneLine,
  parseHold,
  renderHold,
} from "./hold.ts";
export {
  findMark,
  inputHash,
  type Mark,
  type MarkedDisk,
  markElement,
  markNamespace,
  markPrefix,
  newGeneration,
  parseMark,
} from "./mark.ts";
export { findRecovery, recoveryElement, recoveryKey, recoveryNamespace, renderRecovery } from "./recovery.ts";
export { ownedUuid, uuidV5 } from "./uuid.ts";
export { type CreateVerdict, foreignReason, isOurs, judgeForCreate } from "./verdict.ts";
