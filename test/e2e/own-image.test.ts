import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadLabFile } from "../../config/index.ts";
import { buildGuestDisk, cloudGuestId } from "../../images/cloud-guest.ts";
import { builderMirror } from "../../images/packages.ts";
import { fileFact } from "../../lab/image-file.ts";
import { renderSeed } from "../../planning/cloud-init/index.ts";
import {
  type ControllerDocument,
  controllerDocument,
  type HpcClusterPlan,
  type ImageFact,
  planLab,
  unknownHost,
} from "../../planning/index.ts";
import { ed25519KeyPair } from "../../providers/libvirt/identity/index.ts";
import { cacheFolder } from "../../tools/paths.ts";
import { foreignImage } from "./support/foreign-image.ts";
import { GuestVm } from "./support/guest-vm.ts";
import { MirrorProxy } from "./support/mirror-proxy.ts";

const login = ed25519KeyPair(Buffer.alloc(32, 1), "login");
const cluster = ed25519KeyPair(Buffer.alloc(32, 2), "cluster");
const host = ed25519KeyPair(Buffer.alloc(32, 3), "host");

/** The guest's network is QEMU's own: the guest is 10.0.2.15, this machine 10.0.2.2. */
const labText = (image: string, port: number) => `
version: "1.0"
metadata: { name: own, description: A cloud image of the user's own }
clusters:
  hpc:
    name: own
    image:
      path: ${image}
      packages: [tree]
      files:
        - path: /etc/apt/sources.list
          content: |
            deb http://10.0.2.2:${port}/debian trixie main
            deb http://10.0.2.2:${port}/debian-security trixie-security main
    network: { subnet: 10.0.2.0/24, bridge: hlab-own0 }
    controller: { cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip_address: 10.0.2.15 }
    compute_nodes: { count: 1, cpu_cores: 2, memory_gb: 2, disk_gb: 10, ip: DHCP }
    slurm_config: { partitions: [main], default_partition: main }
    users: [{ name: ada, uid: 2000, groups: [chemistry], ssh_keys: ["${login.publicKey}"] }]
`;

async function planOf(image: string, port: number, guest: ImageFact): Promise<HpcClusterPlan> {
  const loaded = loadLabFile(labText(image, port), "own.yaml");
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const base = await fileFact(image, undefined, cacheFolder());
  const facts = { host: unknownHost("a test"), images: { base, guest } };
  const { plan, findings } = planLab(loaded.config, facts);
  expect(findings.filter((finding) => finding.severity === "error")).toEqual([]);
  if (plan.hpc === undefined) throw new Error("the file declares no cluster");
  return plan.hpc;
}

describe("a cloud image without anything of hyperlab becomes a controller at its first boot", () => {
  let mirror: MirrorProxy;
  let machine: GuestVm;
  let document: ControllerDocument;

  beforeAll(async () => {
    const images = join(cacheFolder(), "images");
    const image = await foreignImage(images);
    const disk = await buildGuestDisk(cloudGuestId(), images);
    mirror = new MirrorProxy(await builderMirror());
    const plan = await planOf(image, await mirror.listen(), {
      path: disk.path,
      identity: { id: disk.id },
      format: { known: true, value: "raw" },
      virtualSizeMiB: { known: true, value: 1 },
    });
    document = controllerDocument(plan, () => host.publicKey);
    const seed = plan.seeds.find(({ name }) => name === plan.controller.seed);
    if (seed === undefined) throw new Error("the controller has no seed");
    const keys = { loginPublicKey: login.publicKey, clusterPublicKey: cluster.publicKey };
    machine = new GuestVm({
      name: plan.controller.name,
      image,
      userData: renderSeed(plan, seed, keys).userData,
      diskGiB: 10,
      stateDiskMiB: 1024,
      guestDisk: disk.path,
      reachesHost: true,
    });
    await machine.start();
    await machine.awaitAgent(2400);
  });
  afterAll(async () => {
    await machine?.remove();
    await mirror?.close();
  });

  it("takes its identity and becomes ready, with packages from the mirror that the cluster file names", async () => {
    const identity = JSON.stringify({
      sshHostEd25519: host.privateKey,
      machineId: "0123456789abcdef0123456789abcdef",
    });
    expect(await machine.run("/usr/lib/hyperlab/identity", [], identity)).toMatchObject({ code: 0 });
    await machine.awaitReady();
    expect(mirror.served).toBeGreaterThan(20);
    expect(await machine.shell("dpkg-query -s slurmctld tree | grep -E '^(Version|Status):'")).toMatch(
      /^Status: install ok installed\nVersion: 24\.11\..*\nStatus: install ok installed\n/,
    );
    expect(await machine.shell("systemctl --failed --no-legend --plain")).toBe("");
  });

  it("has the fixed ids of the owners of shared state", async () => {
    const ids = await machine.shell("for name in slurm mysql hyperlab slurm-test; do id -u $name; done");
    expect(ids.split("\n")).toEqual(["64030", "64031", "64032", "64033"]);
    expect(await machine.shell("getent group hyperlab-admin | cut -d: -f3")).toBe("64034");
  });

  it("lets in by the pinned host key and the login key only, and the administrator become root", async () => {
    const settings = await machine.shell("sshd -T | grep -E '^(passwordauthentication|hostkey) '");
    expect(settings.split("\n").sort()).toEqual([
      "hostkey /etc/ssh/ssh_host_ed25519_key",
      "passwordauthentication no",
    ]);
    const offered = await machine.shell("ssh-keyscan -q -T 60 -t ed25519 127.0.0.1 | cut -d' ' -f2-");
    expect(offered).toBe(host.publicKey.split(" ").slice(0, 2).join(" "));
    expect(await machine.shell("ls /etc/ssh/ssh_host_*_key")).toBe("/etc/ssh/ssh_host_ed25519_key");
    expect(await machine.shell("cat /etc/hyperlab/authorized_keys/hyperlab")).toBe(login.publicKey);
    expect(await machine.shell("runuser -u hyperlab -- sudo -n id -u")).toBe("0");
    expect(await machine.shell("nft list ruleset")).toContain("hook input priority filter; policy drop;");
  });

  it("brings up accounting and SLURM from the planned document", async () => {
    const secrets = JSON.stringify({
      format: 1,
      slurmJwks: JSON.stringify({
        keys: [{ alg: "HS256", kty: "oct", kid: "test", k: Buffer.alloc(48, 7).toString("base64url") }],
      }),
      databasePassword: "Test-password_1",
      clusterSshKey: cluster.privateKey,
    });
    const stored = await machine.run("/usr/lib/hyperlab/controller", ["secrets"], secrets);
    expect(stored.code, stored.stderr).toBe(0);
    const before = await machine.run(
      "/usr/lib/hyperlab/controller",
      ["before"],
      JSON.stringify(document),
      900,
    );
    expect(before.code, before.stderr).toBe(0);
    expect(await machine.shell("scontrol ping")).toContain("is UP");
    expect(await machine.shell("sinfo -h -N -o '%N %P'")).toBe("own-compute-01 main*");
    expect(await machine.shell("sacctmgr -nP list user format=user | sort")).toContain("ada");
    expect(await machine.shell("id -u ada; stat -c %a:%U /home/ada")).toBe("2000\n700:ada");
    await machine.awaitReady();
  });
});
