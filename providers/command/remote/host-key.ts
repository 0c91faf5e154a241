/** Host keys as users give them, and what they mean for a handshake. */
import type { ServerHostKeyAlgorithm } from "ssh2";
import { ProviderError } from "../../plugin/index.ts";

export interface HostKey {
  readonly type: string;
  /** The key as the server sends it. */
  readonly blob: Buffer;
  /** Names of the signatures that such a key makes, best first. */
  readonly algorithms: readonly ServerHostKeyAlgorithm[];
}

const signatures: ReadonlyMap<string, readonly ServerHostKeyAlgorithm[]> = new Map([
  ["ssh-ed25519", ["ssh-ed25519"]],
  ["ecdsa-sha2-nistp256", ["ecdsa-sha2-nistp256"]],
  ["ecdsa-sha2-nistp384", ["ecdsa-sha2-nistp384"]],
  ["ecdsa-sha2-nistp521", ["ecdsa-sha2-nistp521"]],
  ["ssh-rsa", ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]],
]);

/**
 * Reads a public key: `TYPE BASE64 [comment]`, with or without a host name before it (a line of known_hosts).
 * @throws {ProviderError} when there is no key in the text.
 */
export function parseHostKey(text: string): HostKey {
  const words = text.trim().split(/\s+/);
  for (const [index, type] of words.entries()) {
    const blob = Buffer.from(words[index + 1] ?? "", "base64");
    const algorithms = signatures.get(type);
    if (algorithms !== undefined && blob.length > 4 && embeddedType(blob) === type) {
      return { type, blob, algorithms };
    }
  }
  throw new ProviderError(
    "connection.hostKey is not a public key of a known type; expected for example `ssh-ed25519 AAAAC3Nz…`, " +
      "as `ssh-keyscan HOST` prints it or /etc/ssh/ssh_host_ed25519_key.pub holds it",
    "invalidArgument",
  );
}

/** Every key blob begins with its type. */
function embeddedType(blob: Buffer): string | undefined {
  const length = blob.readUInt32BE(0);
  return length > 64 || blob.length < 4 + length ? undefined : blob.toString("latin1", 4, 4 + length);
}

/** A key as text for messages. */
export function describeKey(blob: Buffer): string {
  return `${(blob.length > 4 && embeddedType(blob)) || "unknown"} ${blob.toString("base64")}`;
}
