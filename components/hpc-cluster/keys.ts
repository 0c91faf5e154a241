import { hkdfSync } from "node:crypto";
import { ed25519KeyPair, sshHostKeyPair } from "../../providers/libvirt/identity/index.ts";
import type { KeyGenerations } from "./key-generations.ts";

/** Every key of one cluster, derived from the stack's secret: the same secret and name always give the same keys. */
export interface ClusterKeys {
  /** For the provider's `identitySecret`: SSH host keys of the machines are derived from it. Secret. */
  readonly identitySecret: string;
  /** Logs in to the controller as the administration account. The private part is secret. */
  readonly loginSshKey: SshKeyPair;
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
  const { "slurm-key": slurmKey = 1, "db-password": databasePassword = 1 } = generations;
  return {
    identitySecret: derive("host identity", 32).toString("hex"),
    loginSshKey: ed25519KeyPair(derive("login ssh key", 32), `hyperlab@${clusterName}`),
    clusterSshKey: ed25519KeyPair(derive("cluster ssh key", 32), `cluster@${clusterName}`),
    slurmJwks: slurmJwks(derive("slurm key", 64, slurmKey), slurmKey),
    databasePassword: derive("database password", 24, databasePassword).toString("base64url"),
  };
}

/** Public host key of a machine, as `known_hosts` has it, from the cluster's identity secret. */
export function hostPublicKey(identitySecret: string, machine: string): string {
  return sshHostKeyPair(identitySecret, machine).publicKey;
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
