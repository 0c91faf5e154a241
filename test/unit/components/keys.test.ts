import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type KeyGenerations,
  ROTATED_KEYS,
  readKeyGenerations,
} from "../../../components/hpc-cluster/key-generations.ts";
import { acceptedHostKeys, clusterKeys, hostPublicKey } from "../../../components/hpc-cluster/keys.ts";

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
      hostPublicKey(made, "a"),
      hostPublicKey(made, "b"),
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

describe("generations of keys", () => {
  const value = "5".repeat(64);

  it("are the same as ever where nothing was rotated: clusters that exist keep their keys", () => {
    const keys = clusterKeys(value, "lab", { "slurm-key": 1 });
    expect(keys).toEqual(clusterKeys(value, "lab"));
    expect({
      identitySecret: keys.identitySecret,
      login: keys.loginSshKey.publicKey,
      cluster: keys.clusterSshKey.publicKey,
      slurmJwks: keys.slurmJwks,
      databasePassword: keys.databasePassword,
    }).toEqual({
      identitySecret: "5dcacf81d2ad1273991874cdfa0c450e07657639be8fb848253256156affb17e",
      login: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOlDujUDif17KmqZFJMbhXgDoRhM8bvVT8tiaaRUn3WL",
      cluster: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGK0CEkQU2hh6oZ3fcBiVDQWgZ9l0LYoNUb35MlymHUj",
      slurmJwks:
        '{"keys":[{"alg":"HS256","kty":"oct","kid":"hyperlab-1","use":"default","k":"ox98Jz5kx6xG-vDiMrDG42rQKBlKobe_arUAyrbGvENoFOLU8dXGofvW7xQ-afqDQanX9oYjOdIPb2IIPWsWNQ"}]}',
      databasePassword: "FVKOgOK9eu9zNx5YGbZ--I_ZxUoppdmo",
    });
  });

  it("change the key that is rotated and no other, and never give a key a second time", () => {
    const part = (generations: KeyGenerations) => {
      const made = clusterKeys(value, "lab", generations);
      const { databasePassword, hostKeyGeneration: _, loginSshKey, slurmJwks, ...others } = made;
      return {
        "slurm-key": slurmJwks,
        "db-password": databasePassword,
        "ssh-host-keys": hostPublicKey(made, "a"),
        "user-keys": loginSshKey.privateKey,
        // The key of seeds among them: they make their machines anew when they change.
        others,
      };
    };
    const first = part({});
    fc.assert(
      fc.property(fc.constantFrom(...ROTATED_KEYS), fc.integer({ min: 2, max: 1000 }), (key, generation) => {
        const rotated = part({ [key]: generation });
        expect(rotated).toEqual({ ...first, [key]: rotated[key] });
        expect(rotated[key]).not.toBe(first[key]);
        expect(part({ [key]: generation + 1 })[key]).not.toBe(rotated[key]);
      }),
      { numRuns: 20 },
    );
  });

  it("let who has the host keys of today know the machines while they change, and no longer than one rotation", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (generation) => {
        const made = (number: number) => clusterKeys(value, "lab", { "ssh-host-keys": number });
        const accepted = acceptedHostKeys(made(generation), "a");
        expect(accepted).toEqual([
          hostPublicKey(made(generation), "a"),
          hostPublicKey(made(generation + 1), "a"),
        ]);
        expect(acceptedHostKeys(made(generation + 1), "a")).not.toContain(accepted[0]);
      }),
      { numRuns: 20 },
    );
  });

  it("name SLURM's keys apart, as two of one name cannot stand side by side", () => {
    expect(JSON.parse(clusterKeys(value, "lab", { "slurm-key": 7 }).slurmJwks).keys[0].kid).toBe(
      "hyperlab-7",
    );
  });

  it("are read from the stack configuration", () => {
    expect(readKeyGenerations(undefined)).toEqual({});
    expect(readKeyGenerations({ "slurm-key": 2 })).toEqual({ "slurm-key": 2 });
    expect(() => readKeyGenerations([2])).toThrow("must be a mapping");
    expect(() => readKeyGenerations({ "ssh-key": 2 })).toThrow("no key ssh-key");
    for (const wrong of [0, -1, 1.5, "2", null])
      expect(() => readKeyGenerations({ "db-password": wrong })).toThrow("generation of db-password");
  });
});
