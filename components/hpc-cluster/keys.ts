import { hkdfSync } from "node:crypto";
import { ed25519KeyPair, sshHostPublicKey } from "../../providers/libvirt/identity/index.ts";
import type { KeyGenerations } from "./key-generations.ts";

/** Every key of one cluster, derived from the stack's secret: the same secret and name always give the same keys. */
export interface ClusterKeys {
  /** For the provider's `identitySecret`: SSH host keys of the machines are derived from it. Secret. */
  readonly identitySecret: string;
  /** Which SSH host keys of the machines are in force. */
  readonly hostKeyGeneration: number;
  /** Logs in to the controller as the administration account. The private part is secret. */
  readonly loginSshKey: SshKeyPair;
  /** Public login key of the first generation: a seed that changed would make its machines anew. */
  readonly seedLoginKey: string;
  /** The controller's key to its nodes. The private part is secret. */
  readonly clusterSshKey: SshKeyPair;
  /** Content of SLURM's `slurm.jwks`. Secret. */
  readonly slurmJwks: string;
  /** Password of the accounting database. Secret. */
  readonly databasePassword: string;
}

/** An ed25519 key pair in OpenSSH's text forms. */
export interface SshKeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * Derives the keys of a cluster by HKDF (RFC 5869) with one label per purpose. A generation is the version in the label,
 * so that it says which key, and nothing about it.
 *
 * @param stackSecret 32 bytes in hex.
 * @param generations Default: the first of each key.
 * @throws Error where the secret is not 32 bytes in hex; the text never quotes it.
 */
export function clusterKeys(
  stackSecret: string,
  clusterName: string,
  generations: KeyGenerations = {},
): ClusterKeys {
  if (!/^[0-9a-f]{64}$/.test(stackSecret)) {
    throw new Error("The stack's secret must be 32 bytes in hex; restore it from a backup of the state.");
  }
  const secret = Buffer.from(stackSecret, "hex");
  const derive = (purpose: string, bytes: number, generation = 1): Buffer =>
    Buffer.from(hkdfSync("sha256", secret, "", `hyperlab ${purpose} v${generation}:${clusterName}`, bytes));
  const loginKey = (generation: number): SshKeyPair =>
    ed25519KeyPair(derive("login ssh key", 32, generation), `hyperlab@${clusterName}`);
  const { "slurm-key": slurmKey = 1, "db-password": databasePassword = 1 } = generations;
  return {
    identitySecret: derive("host identity", 32).toString("hex"),
    hostKeyGeneration: generations["ssh-host-keys"] ?? 1,
    loginSshKey: loginKey(generations["user-keys"] ?? 1),
    seedLoginKey: loginKey(1).publicKey,
    clusterSshKey: ed25519KeyPair(derive("cluster ssh key", 32), `cluster@${clusterName}`),
    slurmJwks: slurmJwks(derive("slurm key", 64, slurmKey), slurmKey),
    databasePassword: derive("database password", 24, databasePassword).toString("base64url"),
  };
}

/** Where the machines' public host keys come from. */
export type HostKeySource = Pick<ClusterKeys, "identitySecret" | "hostKeyGeneration">;

/** Public host key of a machine, as `known_hosts` has it. */
export function hostPublicKey(source: HostKeySource, machine: string): string {
  return sshHostPublicKey(source.identitySecret, machine, source.hostKeyGeneration);
}

/**
 * Public host keys of a machine that clients accept: the one in force, and the next one, so that who has the keys of
 * today knows the machines while they change, too. No machine has the next one yet.
 */
export function acceptedHostKeys(source: HostKeySource, machine: string): string[] {
  const next = { ...source, hostKeyGeneration: source.hostKeyGeneration + 1 };
  return [hostPublicKey(source, machine), hostPublicKey(next, machine)];
}

function slurmJwks(key: Buffer, generation: number): string {
  return JSON.stringify({
    keys: [
      {
        alg: "HS256",
        kty: "oct",
        kid: `hyperlab-${generation}`,
        use: "default",
        k: key.toString("base64url"),
      },
    ],
  });
}
