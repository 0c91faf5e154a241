import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clusterKeys, hostPublicKey } from "../../../components/hpc-cluster/keys.ts";

const secret = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));

describe("clusterKeys", () => {
  it("always gives the same keys for the same secret and name", () => {
    fc.assert(
      fc.property(secret, (value) => {
        expect(clusterKeys(value, "lab")).toEqual(clusterKeys(value, "lab"));
      }),
      { numRuns: 20 },
    );
  });

  it("gives every purpose, cluster and machine a key of its own", () => {
    const value = "5".repeat(64);
    const one = clusterKeys(value, "one");
    const two = clusterKeys(value, "two");
    const keys = [one, two].flatMap((made) => [
      made.identitySecret,
      made.databasePassword,
      made.slurmJwks,
      made.loginSshKey.publicKey.split(" ")[1],
      made.clusterSshKey.publicKey.split(" ")[1],
      hostPublicKey(made.identitySecret, "a"),
      hostPublicKey(made.identitySecret, "b"),
    ]);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("makes a key set as SLURM reads it", () => {
    const { keys } = JSON.parse(clusterKeys("5".repeat(64), "lab").slurmJwks);
    expect(keys).toEqual([
      {
        alg: "HS256",
        kty: "oct",
        kid: "hyperlab-1",
        use: "default",
        k: expect.stringMatching(/^[\w-]{86}$/),
      },
    ]);
  });

  it("refuses a secret of another form without quoting it", () => {
    expect(() => clusterKeys("not a secret", "lab")).toThrow(/32 bytes in hex/);
    expect(() => clusterKeys("not a secret", "lab")).not.toThrow(/not a secret"/);
  });
});
