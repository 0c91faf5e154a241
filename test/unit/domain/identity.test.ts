import { execFileSync } from "node:child_process";
import { createPrivateKey } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ed25519KeyPair,
  machineId,
  sshHostKeyPair,
  sshHostPublicKey,
} from "../../../providers/libvirt/identity/index.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "hyperlab-identity-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function sshKeygenPublic(privateKey: string): string {
  const file = join(directory, "key");
  writeFileSync(file, privateKey, { mode: 0o600 });
  chmodSync(file, 0o600);
  const line = execFileSync("ssh-keygen", ["-y", "-P", "", "-f", file], { encoding: "utf8" });
  rmSync(file);
  return line.trim();
}

describe("ed25519KeyPair", () => {
  it("gives the public key of RFC 8032's first test vector", () => {
    const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
    const pair = ed25519KeyPair(seed);
    const blob = Buffer.from(pair.publicKey.split(" ")[1] ?? "", "base64");
    expect(blob.subarray(-32).toString("hex")).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
  });

  it("writes private keys that ssh-keygen reads and finds equal to the public line", () => {
    for (const comment of ["", "a", "root@lab-compute-01", "exactly-eight-bytes-of-padding!!"]) {
      const pair = ed25519KeyPair(Buffer.alloc(32, comment.length + 1), comment);
      expect(sshKeygenPublic(pair.privateKey)).toBe(`${pair.publicKey} ${comment}`.trim());
    }
  });

  it("refuses a seed of the wrong length", () => {
    expect(() => ed25519KeyPair(Buffer.alloc(31))).toThrow("32 bytes");
  });
});

describe("sshHostKeyPair", () => {
  it("never changes: keys of running clusters are pinned", () => {
    expect(sshHostPublicKey("test secret", "lab-compute-01")).toBe(
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA3hYbuPDcjPxlh8ZY9WS8+bQoc+slfvFoi00CFYJ3Io",
    );
    expect(machineId("test secret", "lab-compute-01")).toBe("d0379b5e9db34b42997716a96b4a9d53");
  });

  it("is read by ssh-keygen, names the machine, and is what the public line says", () => {
    const pair = sshHostKeyPair("test secret", "lab-compute-01");
    expect(sshKeygenPublic(pair.privateKey)).toBe(`${pair.publicKey} root@lab-compute-01`);
    expect(pair.publicKey).toBe(sshHostPublicKey("test secret", "lab-compute-01"));
  });

  it("differs by name and by secret, and repeats for the same", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), fc.string(), (secret, one, other) => {
        const key = sshHostPublicKey(secret, one);
        expect(sshHostPublicKey(secret, one)).toBe(key);
        expect(sshHostPublicKey(`${secret}x`, one)).not.toBe(key);
        expect(sshHostPublicKey(secret, one, 1)).toBe(key);
        expect(sshHostPublicKey(secret, one, 2)).not.toBe(key);
        if (one !== other) expect(sshHostPublicKey(secret, other)).not.toBe(key);
      }),
      { numRuns: 50 },
    );
  });

  it("is not the input key material in another form", () => {
    const pair = sshHostKeyPair("test secret", "n");
    expect(pair.privateKey).not.toContain(Buffer.from("test secret").toString("base64").slice(0, 12));
    expect(() => createPrivateKey(pair.publicKey)).toThrow();
  });

  it("refuses an empty secret", () => {
    expect(() => sshHostKeyPair("", "n")).toThrow("identity secret is empty");
    expect(() => machineId("", "n")).toThrow("identity secret is empty");
  });
});

describe("machineId", () => {
  it("is 32 hex digits of a version 4 UUID", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), (secret, name) => {
        expect(machineId(secret, name)).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
      }),
    );
  });
});
