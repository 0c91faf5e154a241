import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { HostKeySource } from "../../components/hpc-cluster/keys.ts";
import { sshConfig } from "../../components/hpc-cluster/ssh-config.ts";
import { sshHostKeyPair } from "../../providers/libvirt/identity/index.ts";
import { run } from "../../tools/process/run.ts";
import { Sshd } from "../support/sshd.ts";
import { planOf } from "./support.ts";

const keys = (digit: string, hostKeyGeneration: number): HostKeySource => ({
  identitySecret: digit.repeat(64),
  hostKeyGeneration,
});

it("OpenSSH accepts the derived host key of now and the next one by the block alone, and no other", async () => {
  const plan = planOf(1, "dev.yaml");
  const sshd = await Sshd.start({ stopped: true });
  try {
    const { privateKey } = sshHostKeyPair("5".repeat(64), plan.controller.name, 2);
    writeFileSync(join(sshd.folder, "host"), privateKey, { mode: 0o600 });
    await sshd.run();
    const login = (source: HostKeySource) => {
      const file = join(sshd.folder, "config");
      const here = sshConfig(plan, source)
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
    for (const generation of [1, 2]) {
      const right = await login(keys("5", generation));
      expect(right.stdout, right.stderr).toBe("in\n");
    }
    for (const stranger of [keys("5", 3), keys("6", 2)]) {
      const wrong = await login(stranger);
      expect(wrong.code).toBe(255);
      expect(wrong.stderr).toContain("Host key verification failed");
    }
  } finally {
    await sshd.stop();
  }
});
