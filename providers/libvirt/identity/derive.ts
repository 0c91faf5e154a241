import { hkdfSync } from "node:crypto";
import { ed25519KeyPair, ed25519PublicLine, type OpenSshKeyPair } from "./openssh.ts";

function derive(identitySecret: string, info: string, bytes: number): Buffer {
  if (identitySecret === "") {
    throw new RangeError("the identity secret is empty; give the provider a random identitySecret");
  }
  return Buffer.from(hkdfSync("sha256", identitySecret, "", info, bytes));
}

/**
 * SSH host key of a machine: HKDF-SHA256 of the secret of its cluster, its name and a generation. The same for ever, so
 * that it survives a rebuild and can be pinned before the machine exists.
 *
 * @param identitySecret The provider's `identitySecret`; not empty.
 * @param name Name of the domain.
 * @param generation Which key of this machine, from 1 on.
 * @throws RangeError if the secret is empty.
 */
export function sshHostKeyPair(identitySecret: string, name: string, generation = 1): OpenSshKeyPair {
  return ed25519KeyPair(hostKeySeed(identitySecret, name, generation), `root@${name}`);
}

/** Public line (`ssh-ed25519 AAAA…`) of {@link sshHostKeyPair}. */
export function sshHostPublicKey(identitySecret: string, name: string, generation = 1): string {
  return ed25519PublicLine(hostKeySeed(identitySecret, name, generation));
}

const hostKeySeed = (identitySecret: string, name: string, generation: number) =>
  derive(identitySecret, `hyperlab ssh-host-ed25519 v${generation}:${name}`, 32);

/**
 * Content of /etc/machine-id of a machine: 32 hex digits, derived like the SSH host key, marked as a random UUID
 * (version 4) as systemd's own are.
 *
 * @throws RangeError if the secret is empty.
 */
export function machineId(identitySecret: string, name: string): string {
  const bytes = derive(identitySecret, `hyperlab machine-id v1:${name}`, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex");
}
