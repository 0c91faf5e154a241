import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keptInvoker, readInvoker, rotatedInvoker } from "../../../lab/invoker.ts";
import { ensureUserKey, forgetRetiredKey, identityFiles, replaceOwnKey } from "../../../tools/ssh/own-key.ts";

const ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== ada@desk";
const RSA = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB";

let home = "";
let state = "";
const write = (name: string, text: string): void => writeFileSync(join(home, ".ssh", name), text);

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "hyperlab-home-"));
  state = join(home, "state");
  mkdirSync(state);
  mkdirSync(join(home, ".ssh"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe("the keys of whoever runs hyperlab", () => {
  it("are all that may log in, each once, in a fixed order", () => {
    write("id_rsa.pub", `${RSA}\n`);
    write("id_ed25519.pub", `${ED25519}\n\n${RSA}\n`);
    expect(readInvoker(state, home).sshKeys).toEqual([ED25519, RSA]);
  });

  it("are no certificates, no keys of other programs and nothing that cannot be read", () => {
    write("id_ed25519-cert.pub", "ssh-ed25519-cert-v01@openssh.com AAAAIHNz ada");
    write("release.pub", "-----BEGIN PUBLIC KEY-----\nssh-nothing\n");
    write("old.pub", "ssh-dss AAAAB3NzaC1kc3M= ada");
    mkdirSync(join(home, ".ssh", "folder.pub"));
    expect(readInvoker(state, home).sshKeys).toEqual([]);
    expect(readInvoker(join(home, "absent"), join(home, ".ssh", "old.pub")).sshKeys).toEqual([]);
  });

  it("are made where there is none of use, once", async () => {
    write("id_ed25519-cert.pub", "ssh-ed25519-cert-v01@openssh.com AAAAIHNz ada");
    const made = await ensureUserKey(state, home);
    expect(made).toBe(join(state, "id_ed25519"));
    expect(await ensureUserKey(state, home)).toBeUndefined();
    expect(readInvoker(state, home).sshKeys).toEqual([readFileSync(`${made}.pub`, "utf8").trim()]);
    expect(identityFiles(state, home)).toEqual([made]);
  });

  it("are tried by ssh under whatever name they have", () => {
    write("work.pub", ED25519);
    write("work", "private");
    write("token.pub", RSA);
    expect(identityFiles(state, home)).toEqual([join(home, ".ssh", "work")]);
    write("id_ed25519.pub", ED25519);
    expect(identityFiles(state, home)).toEqual([]);
  });

  it("hold for later runs, except where there were none", () => {
    const ada = { name: "ada", sshKeys: [ED25519] };
    const bob = { name: "bob", sshKeys: [RSA] };
    expect(keptInvoker(ada, bob)).toEqual(ada);
    expect(keptInvoker({ ...ada, sshKeys: [] }, bob)).toEqual({ name: "ada", sshKeys: [RSA] });
    expect(rotatedInvoker(ada, [RSA], ada)).toEqual({ name: "ada", sshKeys: [RSA] });
    expect(rotatedInvoker(ada, [], bob)).toEqual({ name: "ada", sshKeys: [RSA] });
    expect(rotatedInvoker(ada, [], { ...bob, sshKeys: [] })).toEqual(ada);
  });

  it("are made anew where hyperlab made them; the old one is tried too until it is forgotten", async () => {
    expect(await replaceOwnKey(state)).toBeUndefined();
    const made = (await ensureUserKey(state, home)) ?? "";
    const [old, authorized] = [readFileSync(made, "utf8"), readInvoker(state, home).sshKeys];
    const replaced = await replaceOwnKey(state);
    const [retired] = identityFiles(state, home).slice(1);
    expect(identityFiles(state, home)).toEqual([made, retired]);
    expect(readFileSync(retired ?? "", "utf8")).toBe(old);
    const now = readInvoker(state, home).sshKeys;
    expect(now).toHaveLength(1);
    expect(now).not.toEqual(authorized);
    expect(statSync(made).mode & 0o777).toBe(0o600);

    replaced?.undo();
    expect(readFileSync(made, "utf8")).toBe(old);
    expect(readInvoker(state, home).sshKeys).toEqual(authorized);
    expect(identityFiles(state, home)).toEqual([made]);

    await replaceOwnKey(state);
    forgetRetiredKey(state);
    expect(identityFiles(state, home)).toEqual([made]);
    expect(readdirSync(state).sort()).toEqual(["id_ed25519", "id_ed25519.pub"]);
  });
});
