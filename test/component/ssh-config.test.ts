import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sshConfig } from "../../components/hpc-cluster/ssh-config.ts";
import { sshHostKeyPair } from "../../providers/libvirt/identity/index.ts";
import { run } from "../../tools/process/run.ts";
import { Sshd } from "../support/sshd.ts";
import { planOf } from "./support.ts";

const SECRET = "5".repeat(64);

it("OpenSSH accepts the derived host key by the block alone, and no other", async () => {
  const plan = planOf(1, "dev.yaml");
  const sshd = await Sshd.start({ stopped: true });
  try {
    const { privateKey } = sshHostKeyPair(SECRET, plan.controller.name);
    writeFileSync(join(sshd.folder, "host"), privateKey, { mode: 0o600 });
    await sshd.run();
    const login = (secret: string) => {
      const file = join(sshd.folder, "config");
      const here = sshConfig(plan, secret)
        .replace(`HostName ${plan.controller.address}`, "HostName 127.0.0.1")
        .replace("User ada", `User ${sshd.user}`);
      writeFileSync(file, here);
      const options = ["BatchMode=yes", "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null"];
      const args = ["-F", file, "-p", String(sshd.port), "-i", join(sshd.folder, "client")];
      return run("ssh", [
        ...args,
        ...options.flatMap((option) => ["-o", option]),
        plan.controller.name,
        "echo in",
      ]);
    };
    const right = await login(SECRET);
    expect(right.stdout, right.stderr).toBe("in\n");
    const wrong = await login("6".repeat(64));
    expect(wrong.code).toBe(255);
    expect(wrong.stderr).toContain("Host key verification failed");
  } finally {
    await sshd.stop();
  }
});
