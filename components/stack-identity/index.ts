export { passphraseKey } from "./passphrase-key.ts";
export { openRecovery, type Recovery, RecoveryRecordError, sealRecovery } from "./recovery.ts";
export { StackIdentity } from "./stack-identity.ts";
