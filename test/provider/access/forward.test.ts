import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sshConfig } from "../../../components/hpc-cluster/ssh-config.ts";
import { type Forward, forwardUnits, PROXY_PROGRAMS } from "../../../planning/forward-units.ts";
import { sshHostKeyPair } from "../../../providers/libvirt/identity/index.ts";
import { planOf } from "../../component/support.ts";
import { makeKey } from "../../support/sshd.ts";

/** The units of a port that leads to a login machine: as systemd reads them, and what their program does. */

const proxy = PROXY_PROGRAMS.find((path) => existsSync(path)) ?? PROXY_PROGRAMS[0];
const plan = planOf(1, "dev.yaml");
const target = plan.controller.address;
const base: Forward = { cluster: plan.name, port: 2222, target };
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-forward-"));
  makeKey(join(folder, "client"));
  const { privateKey } = sshHostKeyPair("5".repeat(64), plan.controller.name, 1);
  writeFileSync(join(folder, "host"), privateKey, { mode: 0o600 });
  const settings = [
    `ListenAddress ${target}:22`,
    `HostKey ${join(folder, "host")}`,
    `AuthorizedKeysFile ${join(folder, "client.pub")}`,
    `PidFile none`,
    "PermitRootLogin prohibit-password",
    "StrictModes no",
    "UsePAM no",
  ];
  writeFileSync(join(folder, "sshd_config"), `${settings.join("\n")}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The value of a setting in a unit. */
const setting = (text: string, name: string): string =>
  new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";

/** Where users come from, as the login machine's sshd sees them, for each address of the host that they call. */
function logins(forward: Forward, addresses: readonly string[]): string[] {
  const [socket, service] = forwardUnits(forward, proxy).map(({ text }) => text);
  const keys = { identitySecret: "5".repeat(64), hostKeyGeneration: 1 };
  const config = sshConfig({ ...plan, ssh: { user: "hyperlab", login: "h", loginPort: forward.port } }, keys)
    .replace(`Host ${plan.controller.name}\n  HostName h\n`, "Host login-machine\n")
    .replace("User ada", "User root");
  const own = [`IdentityFile ${join(folder, "client")}`, "BatchMode yes", "UserKnownHostsFile /dev/null"];
  writeFileSync(join(folder, "config"), `${config}Host *\n${own.map((line) => `  ${line}\n`).join("")}`);
  const script = fileURLToPath(new URL("../../support/forward.sh", import.meta.url));
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-auto", "--setuid=0", "--setgid=0"];
  const done = spawnSync(
    "unshare",
    [
      ...[...user, "--net", "--mount", "--pid", "--fork", "--kill-child", "bash", script],
      ...[folder, target, setting(socket ?? "", "ListenStream"), addresses.join(" ")],
      ...setting(service ?? "", "ExecStart").split(" "),
    ],
    { encoding: "utf8", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } },
  );
  if (done.status !== 0) {
    const log = ["log", "proxy"].map((name) => join(folder, name)).filter((path) => existsSync(path));
    throw new Error(`${done.stdout}${done.stderr}${log.map((path) => readFileSync(path, "utf8")).join("")}`);
  }
  return done.stdout.trimEnd().split("\n");
}

describe("a port of the host", () => {
  it("leads to the login machine's SSH with the pinned key, from every address and from addresses of IPv6", () => {
    // What the machine sees is the host.
    const fromHost = expect.stringMatching(new RegExp(`^${target} \\d+ ${target} 22$`));
    expect(logins(base, ["127.0.0.1", "::1"])).toEqual([fromHost, fromHost]);
  });

  it("that is declared at one address is open there and nowhere else", () => {
    const one = { ...base, listen: "127.0.0.2" };
    expect(logins(one, ["127.0.0.2"])).toHaveLength(1);
    expect(() => logins(one, ["127.0.0.1"])).toThrow(/Connection refused/);
  });
});

describe("its units", () => {
  it.each([
    ["at all addresses", base],
    ["at one", { ...base, listen: "192.0.2.1" }],
  ])("%s are understood by systemd, and leave their program no rights to lose", (_, forward) => {
    const paths = forwardUnits(forward, proxy).map(({ path, text }) => {
      const here = join(folder, basename(path));
      writeFileSync(here, text);
      return here;
    });
    const verified = spawnSync("systemd-analyze", ["verify", ...paths], { encoding: "utf8" });
    expect({ said: verified.stderr, code: verified.status }).toEqual({ said: "", code: 0 });
    const args = ["security", "--offline=true", "--threshold=20", "--no-pager", paths[1] ?? ""];
    const judged = spawnSync("systemd-analyze", args, { encoding: "utf8" });
    expect(judged.status, judged.stdout).toBe(0);
  });
});
