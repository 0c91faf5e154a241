import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { imagesDirectory } from "../../../images/guest.ts";
import { slurmTree } from "../../support/slurm-tree.ts";

const guest = path.join(imagesDirectory(), "guest");

/** What a compute node's set-up writes for sshd. */
function computeConfiguration(): string {
  return execFileSync("python3", ["-c", "from hyperlab import seed; print(seed.COMPUTE_SSHD, end='')"], {
    encoding: "utf8",
    env: {
      ...process.env,
      PYTHONPATH: path.join(guest, "usr", "lib", "hyperlab"),
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
}

/** What sshd says of itself, and what became of each login, by name. */
function logins(role: "controller" | "compute"): ReadonlyMap<string, string> {
  const script = fileURLToPath(new URL("../../support/node-login.sh", import.meta.url));
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-auto", "--setuid=0", "--setgid=0"];
  const namespaces = [...user, "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child"];
  const done = spawnSync(
    "unshare",
    [...namespaces, "bash", script, slurmTree(), guest, role, computeConfiguration()],
    { encoding: "utf8", env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } },
  );
  if (done.status !== 0)
    throw new Error(`${script} failed: ${done.error?.message ?? ""}${done.stdout}${done.stderr}`);
  const parts = done.stdout.split(/^== /m).slice(1);
  return new Map(
    parts.map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n") + 1).trim()]),
  );
}

const KEY_ONLY = [
  "passwordauthentication no",
  "kbdinteractiveauthentication no",
  "pubkeyauthentication yes",
  "hostbasedauthentication no",
  "gssapiauthentication no",
  "permitemptypasswords no",
  "permitrootlogin forced-commands-only",
  "x11forwarding no",
  "usepam yes",
  "hostkey /etc/ssh/ssh_host_ed25519_key",
];
const LET_IN = {
  grace: "grace\nended with 0",
  hyperlab: "hyperlab\nended with 0",
  root: "forced\nended with 0",
};

describe("sshd of Debian 13 with the guest's configuration", () => {
  beforeAll(() => {
    slurmTree();
  }, 600_000);

  it.each(["controller", "compute"] as const)("lets in by key only on a %s", (role) => {
    const seen = logins(role);
    const settings = (seen.get("settings") ?? "").split("\n");
    expect(settings).toEqual(expect.arrayContaining(KEY_ONLY));
    expect(settings).toContain(`pamservicename ${role === "compute" ? "hyperlab-node" : "sshd"}`);
    for (const name of ["ada", "root"]) {
      expect(seen.get(`${name} by password`)).toMatch(/Permission denied \(publickey\).*ended with 255$/s);
    }
    for (const [name, result] of Object.entries(LET_IN)) {
      expect(seen.get(`${name} by key`), seen.get("log")).toBe(result);
    }
    if (role === "controller") {
      expect(seen.get("ada by key")).toBe("ada\nended with 0");
    } else {
      expect(seen.get("ada by key")).toContain("pam_slurm_adopt: you have no active jobs on this node");
      expect(seen.get("ada by key")).toMatch(/ended with 255$/);
    }
  });
});
