import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { hypervisor } from "../support/hypervisor.ts";
import { must } from "../support/program.ts";

/** Secrets of the cluster, looked for where none may be, after everything that the other scenarios did. */
export function secrets(cluster: ClusterUnderTest): void {
  const { controller, first, lab, second } = cluster;

  describe("secrets", () => {
    it("are in no state, log, output, process list, definition, seed or journal", async () => {
      const hidden = await cluster.secrets();
      expect(Object.keys(hidden)).toHaveLength(5);
      const places = new Map<string, string>([
        ["output of the commands", lab.said.join("\n")],
        ["process list of the host", [...lab.processes].join("\n")],
        ...filesBelow(lab.stateFolder).filter(([path]) => !path.endsWith("/passphrase")),
      ]);
      for (const machine of [controller, first, second]) {
        places.set(
          `definition of ${machine}`,
          await must("virsh", ["-c", "qemu:///system", "dumpxml", machine]),
        );
        places.set(`journal, logs and processes of ${machine}`, await records(machine));
      }
      for (const [path, content] of filesBelow(`/var/lib/libvirt/images/${lab.name}-pool`, /\.iso$/)) {
        places.set(path, content);
      }
      const found = [...places].flatMap(([place, content]) =>
        Object.entries(hidden)
          .filter(([, secret]) => content.includes(secret))
          .map(([name]) => `${name} in ${place}`),
      );
      expect(found).toEqual([]);
      expect(lab.said.length + lab.processes.size).toBeGreaterThan(10);
    });

    it("lie only in files that root alone reads", async () => {
      const modes = await hypervisor.shell(
        controller,
        "stat -c '%a %n' /srv/hyperlab/config /srv/hyperlab/config/secrets.json /etc/slurm/slurm.jwks /etc/slurm/slurmdbd.conf",
      );
      for (const line of modes.split("\n")) expect(line).toMatch(/^[67]00 /);
      expect(statSync(join(lab.stateFolder, "passphrase")).mode & 0o777).toBe(0o600);
    });
  });
}

function filesBelow(folder: string, name = /(?:)/): [path: string, content: string][] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [path, readFileSync(path, "latin1")]);
}

/** What a machine wrote down, and the command lines of its processes. */
async function records(machine: string): Promise<string> {
  const command =
    "(journalctl --no-pager -o cat; cat /var/log/cloud-init*.log /var/log/slurm/*.log; ps axww -o args) 2>/dev/null | gzip | base64 -w0";
  return gunzipSync(Buffer.from(await hypervisor.shell(machine, command), "base64")).toString("utf8");
}
