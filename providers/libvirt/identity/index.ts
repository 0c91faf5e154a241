export { machineId, sshHostKeyPair, sshHostPublicKey } from "./derive.ts";
export { ed25519KeyPair, type OpenSshKeyPair } from "./openssh.ts";
