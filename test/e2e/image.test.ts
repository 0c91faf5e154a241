import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BuiltImage, buildImage } from "../../images/build.ts";
import { guestDigest } from "../../images/guest.ts";
import { manifestPath, slurmRecipe } from "../../images/recipe.ts";
import { ed25519KeyPair } from "../../providers/libvirt/identity/index.ts";
import { cacheFolder } from "../../tools/paths.ts";
import { GuestVm } from "./support/guest-vm.ts";
import { must } from "./support/program.ts";

/** The golden image, built (or taken from the cache), looked into, and booted as a controller in plain QEMU. */
const folder = join(cacheFolder(), "images");
const recipe = slurmRecipe(guestDigest());
const machineId = "0123456789abcdef0123456789abcdef";
const login = ed25519KeyPair(Buffer.alloc(32, 1), "login");
const cluster = ed25519KeyPair(Buffer.alloc(32, 2), "cluster");
const host = ed25519KeyPair(Buffer.alloc(32, 3), "host");

const facts = {
  format: 1,
  cluster: "lab",
  role: "controller",
  // slirp's own address for the guest
  controller: { name: "lab-controller", address: "10.0.2.15" },
  subnet: "10.0.2.0/24",
  loginPublicKey: login.publicKey,
  clusterPublicKey: cluster.publicKey,
};
const userData = `#cloud-config\n${JSON.stringify({
  users: [{ name: "hyperlab", ssh_authorized_keys: [login.publicKey] }],
  write_files: [{ path: "/etc/hyperlab/seed.json", permissions: "0644", content: JSON.stringify(facts) }],
})}\n`;

let image: BuiltImage;
beforeAll(async () => {
  image = await buildImage(recipe, { outputDirectory: folder });
});

describe("the image", () => {
  /** The root file system starts behind the EFI partition. */
  const rootOffset = 65 * 1024 * 1024;
  let raw = "";
  const inImage = (command: string): string =>
    execFileSync("debugfs", ["-R", command, `${raw}?offset=${rootOffset}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1e9,
      env: {
        ...process.env,
        PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
        DEBUGFS_PAGER: "cat",
        PAGER: "cat",
      },
    });
  const names = (directory: string): string[] =>
    inImage(`ls -p ${directory}`)
      .split("\n")
      .map((line) => line.split("/")[5] ?? "")
      .filter((name) => !["", ".", ".."].includes(name));

  beforeAll(async () => {
    raw = join(folder, `.inspect-${process.pid}.raw`);
    await must("qemu-img", ["convert", "-O", "raw", image.path, raw]);
  });
  afterAll(() => rmSync(raw, { force: true }));

  it("has a manifest with every package", () => {
    const manifest = JSON.parse(readFileSync(manifestPath(folder, recipe), "utf8"));
    expect(manifest.sizeBytes).toBe(statSync(image.path).size);
    for (const name of recipe.packages) {
      expect(manifest.packages.some((line: string) => line.startsWith(`${name} `))).toBe(true);
    }
    expect(manifest.packages.find((line: string) => line.startsWith("slurmctld "))).toMatch(/ 24\.11\./);
  });

  it("has no host key, no machine-id and no secret", () => {
    expect(names("/etc/ssh").filter((name) => name.startsWith("ssh_host"))).toEqual([]);
    expect(inImage("cat /etc/machine-id")).toBe("");
    expect(names("/etc/munge")).toEqual([]);
    expect(names("/etc/ssl/private")).toEqual([]);
    expect(names("/var/lib/mysql")).toEqual([]);
    expect(names("/var/lib/systemd")).not.toContain("random-seed");
    expect(names("/etc/slurm").filter((name) => /jwks|key$/.test(name))).toEqual([]);
    expect(names("/root/.ssh")).toEqual([]);
    expect(names("/var/lib/dbus")).not.toContain("machine-id");
  });

  it("has no password", () => {
    const passwords = inImage("cat /etc/shadow")
      .trimEnd()
      .split("\n")
      .map((line) => line.split(":")[1] ?? "");
    expect(passwords.length).toBeGreaterThan(20);
    expect(passwords.filter((password) => !/^[!*]+$/.test(password))).toEqual([]);
  });

  it("has fixed ids for the owners of shared state", () => {
    const accounts = new Map(
      inImage("cat /etc/passwd")
        .split("\n")
        .map((line) => [line.split(":")[0], line.split(":")[2]]),
    );
    expect(accounts.get("slurm")).toBe("64030");
    expect(accounts.get("mysql")).toBe("64031");
    expect(accounts.get("hyperlab")).toBe("64032");
    expect(accounts.get("slurm-test")).toBe("64033");
  });

  it("names no path of the machine that built it", () => {
    const boot = execFileSync("mcopy", ["-i", `${raw}@@1M`, "::loader/entries/hyperlab.conf", "-"], {
      encoding: "utf8",
    });
    expect(boot).toMatch(/^options root=PARTUUID=[0-9a-f-]{36} rw /m);
    expect(inImage("cat /etc/fstab")).toMatch(/^LABEL=hyperlab-root \/ ext4 /);
  });
});

describe("a first boot", () => {
  let machine: GuestVm;

  beforeAll(async () => {
    machine = new GuestVm({
      name: "lab-controller",
      image: image.path,
      userData,
      diskGiB: 6,
      stateDiskMiB: 1024,
    });
    await machine.start();
    await machine.awaitAgent(600);
  });
  afterAll(() => machine?.remove());

  it("has no sshd before its identity", async () => {
    expect((await machine.run("/bin/systemctl", ["is-active", "ssh.service"])).stdout.trim()).toBe(
      "inactive",
    );
    const refused = await machine.run("/usr/lib/hyperlab/identity", [], "{}");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("sshHostEd25519");
  });

  it("takes its identity, once or twice", async () => {
    const document = JSON.stringify({ sshHostEd25519: host.privateKey, machineId });
    for (let times = 0; times < 2; times++) {
      expect(await machine.run("/usr/lib/hyperlab/identity", [], document)).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
    }
    expect(await machine.shell("cat /etc/machine-id; hostname")).toBe(`${machineId}\nlab-controller`);
    expect(await machine.shell("systemctl is-active ssh.service")).toBe("active");
    const offered = await machine.shell("ssh-keyscan -q -T 60 -t ed25519 127.0.0.1 | cut -d' ' -f2-");
    expect(offered).toBe(host.publicKey.split(" ").slice(0, 2).join(" "));
  });

  it("becomes ready", () => machine.awaitReady());

  it("has a root file system that fills its disk, and nothing failed", async () => {
    expect(Number(await machine.shell("df --output=size -BM / | tail -1 | tr -dc 0-9"))).toBeGreaterThan(
      5500,
    );
    expect(await machine.shell("systemctl --failed --no-legend --plain")).toBe("");
  });

  it("drops what is not for it", async () => {
    const rules = await machine.shell("nft list ruleset");
    expect(rules).toContain("hook input priority filter; policy drop;");
    expect(rules).toContain("tcp dport 22 accept");
  });

  it("lets in by key only, and the administrator become root", async () => {
    const settings = await machine.shell(
      "sshd -T | grep -E '^(passwordauthentication|permitrootlogin|hostkey) '",
    );
    expect(settings.split("\n").sort()).toEqual([
      "hostkey /etc/ssh/ssh_host_ed25519_key",
      "passwordauthentication no",
      "permitrootlogin forced-commands-only",
    ]);
    expect(await machine.shell("cat /etc/hyperlab/authorized_keys/hyperlab")).toBe(login.publicKey);
    expect(await machine.shell("runuser -u hyperlab -- sudo -n id -u")).toBe("0");
  });

  it("has nothing to quiesce as a controller", async () => {
    const answer = await machine.run("/usr/lib/hyperlab/quiesce", [
      "--reason",
      "test",
      "--slice-seconds",
      "5",
    ]);
    expect(answer.code).toBe(0);
    expect((await machine.run("/usr/lib/hyperlab/unquiesce", [])).code).toBe(0);
  });

  it("refuses a state disk with unknown data, and formats a blank one", async () => {
    const device = "/dev/disk/by-id/virtio-hyperlab-state";
    const secrets = JSON.stringify({
      format: 1,
      slurmJwks: JSON.stringify({
        keys: [{ alg: "HS256", kty: "oct", kid: "test", k: Buffer.alloc(48, 7).toString("base64url") }],
      }),
      databasePassword: "Test-password_1",
      clusterSshKey: cluster.privateKey,
    });
    const store = () => machine.run("/usr/lib/hyperlab/controller", ["secrets"], secrets);
    await machine.shell(`echo something | dd of=${device} bs=4096 seek=3 conv=fsync status=none`);
    const foreign = await store();
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toMatch(/is not touched: it holds data of no known kind/);
    await machine.shell(`mkfs.ext4 -q -L data ${device}`);
    expect((await store()).stderr).toMatch(/is not touched: it holds ext4 with label 'data'/);
    await machine.shell(`wipefs -qa ${device} && blkdiscard -z ${device}`);
    expect(await store()).toEqual({ code: 0, stdout: '{"stored": true}\n', stderr: "" });
    expect(await machine.shell("stat -c %a:%U /srv/hyperlab/config/secrets.json /etc/slurm/slurm.jwks")).toBe(
      "600:root\n600:slurm",
    );
  });

  it("brings up accounting and SLURM from a document, twice the same", async () => {
    const document = JSON.stringify(controllerDocument());
    for (let times = 0; times < 2; times++) {
      const answer = await machine.run("/usr/lib/hyperlab/controller", ["before"], document, 900);
      expect(answer.code, answer.stderr).toBe(0);
    }
    expect(await machine.shell("sinfo -h -N -o '%N %m'")).toBe("lab-compute-01 1024");
    expect(await machine.shell("sacctmgr -nP list user format=user | sort")).toContain("ada");
    expect(await machine.shell("id -u ada; stat -c %a:%U /home/ada")).toBe("2000\n700:ada");
    expect(await machine.shell("grep -c StoragePass=Test- /etc/slurm/slurmdbd.conf")).toBe("1");
    expect(await machine.shell("exportfs -s")).toContain("/srv/hyperlab/home");
    await machine.awaitReady();
  });

  it("refuses a configuration that SLURM does not read, and keeps the old one", async () => {
    const document = controllerDocument();
    document.slurmConf = `${document.slurmConf}NoSuchParameter=1\n`;
    const answer = await machine.run(
      "/usr/lib/hyperlab/controller",
      ["before"],
      JSON.stringify(document),
      900,
    );
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain("keeps the old one");
    expect(await machine.shell("grep -c NoSuchParameter /etc/slurm/slurm.conf || true")).toBe("0");
    expect(await machine.shell("scontrol ping")).toContain("is UP");
  });

  it("ends at the power button and serves again after a boot, without cloud-init", async () => {
    await machine.powerButton();
    await machine.awaitOff(300);
    await machine.start();
    await machine.awaitAgent(600);
    await machine.awaitReady();
    expect(await machine.shell("scontrol ping")).toContain("is UP");
    expect(await machine.shell("systemctl is-active slurmdbd mariadb nfs-server ssh")).toBe(
      "active\nactive\nactive\nactive",
    );
    expect(await machine.shell("ls /run/cloud-init/result.json 2>/dev/null || true")).toBe("");
    expect(await machine.shell("cat /etc/machine-id")).toBe(machineId);
  });
});

/** A cluster with one node that does not run. */
function controllerDocument() {
  const line =
    "NodeName=lab-compute-01 NodeAddr=10.0.2.99 CPUs=2 Boards=1 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=1024";
  const slurmConf = [
    "ClusterName=lab",
    "SlurmctldHost=lab-controller(10.0.2.15)",
    "SlurmUser=slurm",
    "AuthType=auth/slurm",
    "CredType=cred/slurm",
    "SlurmctldParameters=enable_configless",
    "StateSaveLocation=/srv/hyperlab/slurmctld",
    "SlurmdSpoolDir=/var/lib/slurm/slurmd",
    "SlurmctldLogFile=/var/log/slurm/slurmctld.log",
    "AccountingStorageType=accounting_storage/slurmdbd",
    "AccountingStorageHost=10.0.2.15",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core_Memory",
    "ProctrackType=proctrack/cgroup",
    "TaskPlugin=task/cgroup,task/affinity",
    line,
    "PartitionName=all Nodes=ALL Default=YES",
    "",
  ].join("\n");
  const slurmdbdConf = [
    "AuthType=auth/slurm",
    "DbdHost=lab-controller",
    "DbdAddr=10.0.2.15",
    "SlurmUser=slurm",
    "LogFile=/var/log/slurm/slurmdbd.log",
    "StorageType=accounting_storage/mysql",
    "StorageHost=localhost",
    "StorageLoc=slurm_acct_db",
    "StorageUser=slurm",
    "StoragePass=@databasePassword@",
    "",
  ].join("\n");
  return {
    format: 1,
    cluster: "lab",
    slurmConf,
    cgroupConf: "CgroupPlugin=cgroup/v2\nConstrainRAMSpace=yes\n",
    gresConf: "",
    slurmdbdConf,
    hosts: "10.0.2.15 lab-controller\n10.0.2.99 lab-compute-01\n",
    nodes: [{ name: "lab-compute-01", address: "10.0.2.99", hostKey: host.publicKey, running: false, line }],
    users: [{ name: "ada", uid: 2000, groups: ["chemistry"], sshKeys: [login.publicKey], admin: false }],
    groups: [{ name: "chemistry", gid: 60123 }],
    home: { kind: "controller" },
    network: { subnet: "10.0.2.0/24" },
    drain: { timeoutSeconds: 10 },
    verify: { timeoutSeconds: 10, job: false },
  };
}
