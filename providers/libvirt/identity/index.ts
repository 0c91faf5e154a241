export { deriveMachineId, deriveSshHostKey, deriveSshHostPublicKey } from "./derive.ts";
export { type OpenSshKeyPair, openSshKeyPair } from "./openssh.ts";
