import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ClusterUnderTest } from "../support/cluster.ts";
import { ADMINISTRATOR, USER } from "../support/cluster-file.ts";

/** A cluster whose controller lost everything, and gets it back from a file. */
export function backups(cluster: ClusterUnderTest): void {
  const { administrator, first, lab, second, slurm } = cluster;
  const hyperlab = (words: string): Promise<string> =>
    lab.commandLine(`npm run hyperlab -- ${words} --user ${ADMINISTRATOR}`);
  const file = join(lab.folder, "e2e.hyperlab-backup");

  describe("a backup", () => {
    it("gives an emptied controller its accounting and its homes back", async () => {
      rmSync(file, { force: true });
      const job = await slurm.submit("-N1 --job-name=remembered --wrap true");
      await slurm.ended(job, "COMPLETED");
      await slurm.shell("echo precious >thesis");
      await slurm.idle(first, second);
      await hyperlab(`backup --homes --to ${file}`);
      await emptyController();
      expect(await accounted(job)).toBe("");
      await hyperlab(`restore ${file} --yes`);
      expect(await accounted(job)).toBe("remembered|COMPLETED");
      expect(await slurm.shell("cat thesis")).toBe("precious");
      await slurm.idle(first, second);
    });
  });

  const accounted = (job: string): Promise<string> =>
    slurm.shell(`sacct -X -n -P -j ${job} -o JobName,State`);

  /** As a controller is that was just made: an empty database, no saved state, and this user has nothing. */
  async function emptyController(): Promise<void> {
    const lost = `/srv/hyperlab/mysql /srv/hyperlab/slurmctld/* /home/${USER}/thesis`;
    await administrator.shell(`sudo sh -c 'systemctl stop slurmctld slurmdbd mariadb && rm -rf ${lost}'`);
    const serve =
      "from hyperlab import backup_verbs as b, store as s; b.serve_again(s.configured(), s.secrets())";
    await administrator.shell(`sudo env PYTHONPATH=/usr/lib/hyperlab python3 -B -c '${serve}'`);
  }
}
