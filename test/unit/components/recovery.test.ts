import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  openRecovery,
  type Recovery,
  RecoveryRecordError,
  sealRecovery,
} from "../../../components/stack-identity/index.ts";

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
    .map((digits) => digits.join(""));
const recoveries: fc.Arbitrary<Recovery> = fc.record({
  owner: fc.uuid(),
  secret: hex(64),
  keyGenerations: fc.dictionary(fc.constantFrom("slurm-key", "db-password"), fc.integer({ min: 1, max: 9 })),
  decisions: fc
    .dictionary(fc.string(), fc.jsonValue())
    .map((made): Record<string, unknown> => JSON.parse(JSON.stringify(made))),
});
const passphrases = fc.string({ minLength: 1 });
/** Each run derives a key, which is slow on purpose. */
const few = { numRuns: 8 };
const bytesOf = (record: string): Buffer => Buffer.from(record, "base64");
const nonceOf = (record: string): string => bytesOf(record).subarray(33, 45).toString("hex");

describe("a recovery record", () => {
  it("gives back what was sealed, and is the same text each time", async () => {
    await fc.assert(
      fc.asyncProperty(recoveries, passphrases, async (recovery, passphrase) => {
        const record = await sealRecovery(recovery, passphrase);
        const reordered = {
          ...recovery,
          decisions: Object.fromEntries(Object.entries(recovery.decisions).reverse()),
        };
        expect(await sealRecovery(reordered, passphrase)).toBe(record);
        expect(record).toMatch(/^[A-Za-z0-9+/]+={0,2}$/);
        expect(await openRecovery(record, passphrase, recovery.owner)).toEqual(recovery);
      }),
      few,
    );
  });

  it("holds nothing in clear, and shares no nonce between two contents under one key", async () => {
    await fc.assert(
      fc.asyncProperty(recoveries, passphrases, async (recovery, passphrase) => {
        const record = await sealRecovery(recovery, passphrase);
        for (const clear of [recovery.secret, recovery.owner, Buffer.from(recovery.secret, "hex")]) {
          expect(bytesOf(record).includes(clear)).toBe(false);
        }
        const rotated = { ...recovery, keyGenerations: { ...recovery.keyGenerations, "user-keys": 2 } };
        const next = await sealRecovery(rotated, passphrase);
        expect(bytesOf(next).subarray(1, 33)).toEqual(bytesOf(record).subarray(1, 33));
        expect(nonceOf(next)).not.toBe(nonceOf(record));
      }),
      few,
    );
  });

  const recovery: Recovery = {
    owner: "0f6c1f0e-6d0a-4f0c-9f53-0a3c5f5b7e11",
    secret: "ab".repeat(32),
    keyGenerations: {},
    decisions: { "dev-kvm": { known: true, value: true } },
  };

  it("opens with nothing but its passphrase and under its owner's mark", async () => {
    const record = await sealRecovery(recovery, "right");
    const altered = Buffer.from(record, "base64");
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    for (const [text, passphrase, owner] of [
      [record, "wrong", recovery.owner],
      [record, "right", "another"],
      [altered.toString("base64"), "right", recovery.owner],
    ] as const) {
      await expect(openRecovery(text, passphrase, owner)).rejects.toThrow(
        new RecoveryRecordError("the passphrase is not the one that it was made with, or it was altered"),
      );
    }
  });

  it("of a newer format, or cut off, is told from a wrong passphrase", async () => {
    const newer = bytesOf(await sealRecovery(recovery, "right"));
    newer[0] = 2;
    await expect(openRecovery(newer.toString("base64"), "right", recovery.owner)).rejects.toThrow(
      "made by a newer hyperlab (format 2; this one reads 1)",
    );
    await expect(openRecovery("AQID", "right", recovery.owner)).rejects.toThrow("it is damaged");
  });
});
