import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { access } from "./scenarios/access.ts";
import { adoption } from "./scenarios/adopt.ts";
import { backups } from "./scenarios/backup.ts";
import { byHand } from "./scenarios/by-hand.ts";
import { changes } from "./scenarios/changes.ts";
import { drains } from "./scenarios/drain.ts";
import { heldNode } from "./scenarios/held.ts";
import { hostMaintenance } from "./scenarios/host.ts";
import { images } from "./scenarios/images.ts";
import { jobs } from "./scenarios/jobs.ts";
import { network } from "./scenarios/network.ts";
import { powerCut } from "./scenarios/power-cut.ts";
import { readmeScenarios } from "./scenarios/readme.ts";
import { secrets } from "./scenarios/secrets.ts";
import { ClusterUnderTest } from "./support/cluster.ts";
import { hypervisor } from "./support/hypervisor.ts";
import { LabUnderTest } from "./support/lab.ts";

/**
 * Scenarios on one cluster, in the order of a cluster's life. With HYPERLAB_E2E_FOLDER set to a folder, the cluster stays
 * there, and one scenario can be run against it: `npm run test:e2e -- slurm-cluster --name "shut down by hand"`.
 */
const cluster = new ClusterUnderTest();
const { administrator, lab, second, slurm } = cluster;
const drained = "IDLE+DRAIN broken fan";
let before: string[] = [];

beforeAll(async () => {
  await LabUnderTest.removeAbandoned();
  before = await hypervisor.inventory();
  await lab.prepare();
  lab.declare(cluster.base);
  await lab.up();
  await lab.openSsh();
});

afterAll(async () => {
  if (lab.kept) return;
  await lab.down();
  lab.remove();
  expect(await hypervisor.inventory()).toEqual(before);
});

jobs(cluster);
readmeScenarios(cluster);
network(cluster);
access(cluster);
heldNode(cluster);

describe("while an administrator keeps a node drained", () => {
  beforeAll(() =>
    administrator.shell(`sudo scontrol update nodename=${second} state=drain reason='broken fan'`),
  );
  afterEach(async () => {
    expect(await slurm.node(second)).toBe(drained);
  });
  afterAll(() => administrator.shell(`sudo scontrol update nodename=${second} state=resume`));

  changes(cluster);
  drains(cluster);
  images(cluster);
  byHand(cluster);
});

powerCut(cluster);
hostMaintenance(cluster);
backups(cluster);
adoption(cluster);

describe("afterwards", () => {
  it("both nodes run a job, and everything that ran is accounted for", async () => {
    await slurm.ended(await slurm.submit("-N2 --wrap 'srun hostname'"), "COMPLETED");
    expect(await lab.ssh("sacct -X -n -P -u ada -o State | sort -u")).not.toContain("NODE_FAIL");
  });
});

secrets(cluster);
