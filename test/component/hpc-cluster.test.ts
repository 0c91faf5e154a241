import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { HpcCluster, type KeyGenerations } from "../../components/hpc-cluster/index.ts";
import { StackIdentity } from "../../components/stack-identity/index.ts";
import type { HpcClusterPlan } from "../../planning/index.ts";
import {
  holdsSecret,
  isKnown,
  planOf,
  RecordingMocks,
  type Registered,
  resolved,
  withoutEnvelopes,
} from "./support.ts";

async function declare(
  computeNodes: number,
  preview: boolean,
  {
    bootSeconds,
    example = "dev.yaml",
    keyGenerations,
    options = {},
    power,
    recoveryRecord,
    secret,
    ssh = {},
  }: {
    bootSeconds?: number;
    example?: string;
    keyGenerations?: KeyGenerations;
    options?: pulumi.ComponentResourceOptions;
    power?: Record<string, "on" | "off">;
    recoveryRecord?: string;
    secret?: string;
    ssh?: Partial<HpcClusterPlan["ssh"]>;
  } = {},
): Promise<{ mocks: RecordingMocks; cluster: HpcCluster; plan: HpcClusterPlan }> {
  const mocks = new RecordingMocks(preview, bootSeconds === undefined ? {} : { bootSeconds });
  await pulumi.runtime.setMocks(mocks, "hyperlab", "test", preview);
  const decided = planOf(computeNodes, example, power);
  const plan = { ...decided, ssh: { ...decided.ssh, ...ssh } };
  const identity = new StackIdentity("lab");
  const build = { arguments: ["build", "--recipe-json", "-"], stdin: "{}", identity: "0123456789abcdef" };
  const args = {
    plan,
    owner: identity.owner,
    secret: secret ?? identity.secret,
    ...(keyGenerations === undefined ? {} : { keyGenerations }),
    ...(recoveryRecord === undefined ? {} : { recoveryRecord }),
    imageBuilds: { base: build },
  };
  const cluster = new HpcCluster("dev", args, options);
  await resolved(cluster.urn);
  await pulumi.runtime.disconnect();
  return { mocks, cluster, plan };
}

const names = (resources: readonly Registered[]) =>
  resources.map((resource) => `${resource.type} ${resource.name}`).sort();

describe.each([{ preview: true }, { preview: false }])("HpcCluster, preview: $preview", ({ preview }) => {
  it("registers exactly these resources", async () => {
    const { mocks } = await declare(2, preview);
    expect(names(mocks.registered)).toEqual([
      "command:local:Command dev-base-build",
      "command:remote:Command dev-secrets",
      "command:remote:Command dev-slurm-after",
      "command:remote:Command dev-slurm-before",
      "hyperlab:index:HpcCluster dev",
      "hyperlab:index:StackIdentity lab",
      "libvirt:index:Domain dev-compute-01",
      "libvirt:index:Domain dev-compute-02",
      "libvirt:index:Domain dev-controller",
      "libvirt:index:Network dev-network",
      "libvirt:index:Pool dev-pool",
      "libvirt:index:Volume dev-base",
      "libvirt:index:Volume dev-seed-compute",
      "libvirt:index:Volume dev-seed-controller",
      "libvirt:index:Volume dev-state",
      "pulumi:index:Stash lab-owner",
      "pulumi:index:Stash lab-secret",
      "pulumi:providers:libvirt dev-host",
    ]);
  });

  it("adds one resource per further node and no command", async () => {
    const two = await declare(2, preview);
    const nine = await declare(9, preview);
    expect(nine.mocks.registered.length - two.mocks.registered.length).toBe(7);
    expect(nine.mocks.ofType("command:remote:Command")).toHaveLength(3);
  });

  it("hands a domain the plan and its seed", async () => {
    const { mocks, plan } = await declare(2, preview);
    const node = plan.computeNodes[0];
    const domain = mocks.ofType("libvirt:index:Domain").find((found) => found.name === node?.name);
    expect(domain?.inputs).toMatchObject({
      ...node?.domain,
      disks: [{ pool: plan.pool.name, seed: true }],
    });
  });

  it("keeps private keys and passwords secret, and everything else open", async () => {
    const { mocks } = await declare(2, preview);
    for (const domain of mocks.ofType("libvirt:index:Domain")) expect(holdsSecret(domain.inputs)).toBe(false);
    for (const volume of mocks.ofType("libvirt:index:Volume")) expect(holdsSecret(volume.inputs)).toBe(false);
    for (const command of mocks.ofType("command:remote:Command")) {
      expect(holdsSecret(command.inputs.connection), command.name).toBe(true);
      expect(holdsSecret(command.inputs.stdin), command.name).toBe(command.name === "dev-secrets");
    }
    const open = JSON.stringify(mocks.registered, (_key, value: unknown) =>
      holdsSecret(value) && isEnvelope(value) ? "[secret]" : value,
    );
    expect(open).not.toMatch(/PRIVATE KEY|"k":/);
  });

  it("gives every machine's pinned host key and address as outputs", async () => {
    const { cluster, plan } = await declare(2, preview);
    expect(await resolved(cluster.controllerAddress)).toBe("10.57.0.2");
    const hosts = (await resolved(cluster.knownHosts)).trim().split("\n");
    // Two for each machine: the key in force and the next one.
    expect(hosts).toHaveLength(6);
    expect(hosts[2]).toMatch(
      new RegExp(`^dev-compute-01,${plan.computeNodes[0]?.address} ssh-ed25519 [A-Za-z0-9+/=]+$`),
    );
    expect(await resolved(cluster.sshCommand)).toBe("ssh ada@10.57.0.2");
  });
});

it("takes SLURM's time-outs from the controller's measured boot, with everything else the same", async () => {
  const documents = async (bootSeconds?: number) => {
    const { mocks } = await declare(2, false, bootSeconds === undefined ? {} : { bootSeconds });
    const commands = mocks.ofType("command:remote:Command").filter(({ name }) => name.includes("-slurm-"));
    return commands.map((command) => String(command.inputs.stdin));
  };
  const [assumed, fast, slow] = [await documents(), await documents(171), await documents(300)];
  expect(assumed).toHaveLength(2);
  for (const document of assumed) expect(document).toContain("ResumeTimeout=720\\n");
  for (const document of slow) expect(document).toContain("ResumeTimeout=1440\\n");
  // Two stacks differ in their keys; the time-outs do not.
  const timeouts = (texts: readonly string[]) => texts.map((text) => text.match(/\w+Timeout=\d+/g));
  expect(timeouts(fast)).toEqual(timeouts(assumed));
});

describe("a rotation", () => {
  const secret = "5".repeat(64);
  const inputsOf = async (keyGenerations?: KeyGenerations) => {
    const { mocks } = await declare(2, false, {
      secret,
      ...(keyGenerations === undefined ? {} : { keyGenerations }),
    });
    const ours = mocks.registered.filter(({ type }) => type !== "pulumi:index:Stash");
    return new Map(
      ours.map(({ name, inputs }) => [
        name,
        // The mark of the stack is another one in each test.
        JSON.stringify({ ...inputs, ...("owner" in inputs ? { owner: "" } : {}) }),
      ]),
    );
  };
  /** Names of the resources whose inputs are others than in the first generation. */
  const changedBy = async (keyGenerations: KeyGenerations) => {
    const [before, after] = [await inputsOf(), await inputsOf(keyGenerations)];
    expect([...after.keys()]).toEqual([...before.keys()]);
    return [...after].filter(([name, inputs]) => before.get(name) !== inputs).map(([name]) => name);
  };
  const machines = ["dev-compute-01", "dev-compute-02", "dev-controller"];
  const commands = ["dev-secrets", "dev-slurm-after", "dev-slurm-before"];

  it("begins with the second generation", async () => {
    expect(await changedBy({ "slurm-key": 1, "db-password": 1 })).toEqual([]);
  });

  it.each([{ "slurm-key": 2 }, { "db-password": 2 }])(
    "of %j changes what the controller is told, and no machine, seed or anything else",
    async (keyGenerations) => expect(await changedBy(keyGenerations)).toEqual(["dev-secrets"]),
  );

  it.each([{ "ssh-host-keys": 2 }, { "user-keys": 2 }])(
    "of %j changes what machines are told while they run and how the controller is reached, and no seed",
    async (keyGenerations) =>
      expect((await changedBy(keyGenerations)).sort()).toEqual([...machines, ...commands].sort()),
  );

  it("leaves the host keys of nodes alone while their controller is off, which must know them first", async () => {
    const kept = async (power: Record<string, "on" | "off">) => {
      const ignored = new Map<string, unknown>();
      const record: pulumi.ResourceTransformation = ({ name, opts }) => {
        if ("ignoreChanges" in opts) ignored.set(name, opts.ignoreChanges);
        return undefined;
      };
      await declare(1, false, { options: { transformations: [record] }, power });
      return [ignored.get("dev-controller"), ignored.get("dev-compute-01")];
    };
    expect(await kept({})).toEqual([[], []]);
    expect(await kept({ controller: "off" })).toEqual([[], ["sshHostKeyGeneration"]]);
  });

  it("tells machines of nothing but the keys that were rotated", async () => {
    const told = async (keyGenerations: KeyGenerations) => {
      const { mocks } = await declare(1, false, { secret, keyGenerations });
      return mocks.ofType("libvirt:index:Domain").map(({ inputs }) => {
        const { loginPublicKey, sshHostKeyGeneration } = inputs;
        return { loginPublicKey, sshHostKeyGeneration };
      });
    };
    const loginPublicKey = expect.stringMatching(/^ssh-ed25519 [\w+/]{68}/);
    for (const machine of await told({ "ssh-host-keys": 3 }))
      expect(machine).toEqual({ sshHostKeyGeneration: 3 });
    for (const machine of await told({ "user-keys": 2 })) expect(machine).toEqual({ loginPublicKey });
  });
});

describe("the recovery record", () => {
  it("is kept with the controller alone, and with no machine where there is none", async () => {
    const told = async (over: { recoveryRecord?: string }) => {
      const { mocks } = await declare(2, false, over);
      return mocks.ofType("libvirt:index:Domain").map(({ inputs, name }) => [name, inputs.recoveryRecord]);
    };
    expect(Object.fromEntries(await told({ recoveryRecord: "c2VhbGVk" }))).toEqual({
      "dev-controller": "c2VhbGVk",
      "dev-compute-01": undefined,
      "dev-compute-02": undefined,
    });
    for (const [, record] of await told({})) expect(record).toBeUndefined();
  });
});

describe("machines that are declared off", () => {
  const order = (mocks: RecordingMocks) =>
    mocks.registered
      .map(({ name }) => name)
      .filter((name) => /^dev-(controller|compute-\d+|slurm-\w+)$/.test(name));

  it("are shown so, and the rest of the cluster is made in its usual order", async () => {
    const { cluster, mocks } = await declare(2, false, { power: { "compute-02": "off" } });
    expect(await resolved(cluster.nodes)).toMatchObject([{}, { state: "IDLE" }, { state: "off" }]);
    expect(order(mocks).slice(0, 2)).toEqual(["dev-controller", "dev-slurm-before"]);
  });

  it("as a whole cluster go before their controller, and nothing of SLURM is waited for", async () => {
    const power = { controller: "off", "compute-01": "off", "compute-02": "off" } as const;
    const { cluster, mocks } = await declare(2, false, { power });
    expect((await resolved(cluster.nodes)).map(({ state }) => state)).toEqual(["off", "off", "off"]);
    expect(order(mocks)).toEqual([
      expect.stringMatching(/compute/),
      expect.stringMatching(/compute/),
      "dev-controller",
      "dev-slurm-before",
      "dev-slurm-after",
    ]);
  });
});

it("uses an existing network and declares none", async () => {
  const { mocks } = await declare(2, true, { example: "existing-bridge.yaml" });
  expect(mocks.ofType("libvirt:index:Network")).toEqual([]);
  const [domain] = mocks.ofType("libvirt:index:Domain");
  expect(domain?.inputs.interfaces).toMatchObject([{ bridge: expect.stringMatching(/./) }]);
});

describe("outputs", () => {
  it("are known before anything exists, except what the cluster has yet to prove", async () => {
    const { cluster } = await declare(2, true);
    for (const output of [
      cluster.controllerAddress,
      cluster.partitions,
      cluster.sshCommand,
      cluster.sshConfig,
      cluster.knownHosts,
    ])
      expect(await isKnown(output)).toBe(true);
    expect(await isKnown(cluster.verification)).toBe(false);
    expect(await isKnown(cluster.nodes)).toBe(false);
  });

  it("say what the cluster proved of every machine", async () => {
    const { cluster, plan } = await declare(2, false);
    const [first, second] = plan.computeNodes;
    expect(await resolved(cluster.nodes)).toEqual([
      { name: "dev-controller", role: "controller", address: "10.57.0.2" },
      { name: "dev-compute-01", role: "compute", address: first?.address, state: "IDLE" },
      {
        name: "dev-compute-02",
        role: "compute",
        address: second?.address,
        state: "IDLE+DRAIN",
        reason: "disk",
      },
    ]);
    expect(await resolved(cluster.verification)).toMatchObject({ job: "dev-compute-01" });
    expect(await resolved(cluster.partitions)).toEqual(["main"]);
  });

  it("let OpenSSH in to every machine, with no key accepted but the pinned ones", async () => {
    const { cluster, plan } = await declare(2, false);
    const lines = (await resolved(cluster.knownHosts)).trim().split("\n");
    const keysOf = (name: string) =>
      lines.filter((line) => line.startsWith(`${name},`)).map((line) => line.replace(/^\S+/, name));
    const blocks = (await resolved(cluster.sshConfig)).split(/^(?=Host )/m);
    expect(blocks).toEqual(
      [plan.controller, ...plan.computeNodes].map(
        ({ name, address, role }) =>
          `Host ${name}\n  HostName ${address}\n  User ada\n  StrictHostKeyChecking yes\n  HostKeyAlias ${name}\n` +
          `  IgnoreUnknown KnownHostsCommand\n  KnownHostsCommand /usr/bin/printf "%%s %%s %%s\\n" ${keysOf(name).join(" ")}\n` +
          (role === "controller" ? "" : "  ProxyJump dev-controller\n"),
      ),
    );
  });
});

it("leads people to the login address with the same pinned key, and the stack by the cluster's own network", async () => {
  const ssh = { login: "192.168.1.50", proxyJump: "root@metal" };
  const { cluster, mocks, plan } = await declare(1, false, { ssh });
  expect(await resolved(cluster.sshCommand)).toBe("ssh ada@192.168.1.50");
  const [known] = (await resolved(cluster.knownHosts)).split("\n");
  expect(known).toMatch(/^dev-controller,10\.57\.0\.2,192\.168\.1\.50 ssh-ed25519 /);
  const [controller, node] = (await resolved(cluster.sshConfig)).split(/^(?=Host )/m);
  expect(controller).toMatch(/^Host dev-controller\n {2}HostName 192\.168\.1\.50\n/);
  expect(controller).not.toContain("ProxyJump");
  expect(node).toMatch(
    new RegExp(`HostName ${plan.computeNodes[0]?.address}\n[^]*ProxyJump dev-controller\n`),
  );
  for (const command of mocks.ofType("command:remote:Command")) {
    expect(withoutEnvelopes(command.inputs.connection)).toMatchObject({
      host: "10.57.0.2",
      proxy: { host: "metal", user: "root" },
    });
  }
  const through = await declare(1, false, { ssh: { proxyJump: "root@metal" } });
  expect(await resolved(through.cluster.sshCommand)).toBe("ssh -J root@metal ada@10.57.0.2");
});

it("leads people to the host's port with the same pinned key", async () => {
  const ssh = { login: "login.example.org", loginPort: 2222 };
  const { cluster } = await declare(1, false, { ssh });
  expect(await resolved(cluster.sshCommand)).toBe("ssh -p 2222 ada@login.example.org");
  const [known] = (await resolved(cluster.knownHosts)).split("\n");
  expect(known).toMatch(/^dev-controller,10\.57\.0\.2,\[login\.example\.org\]:2222 ssh-ed25519 /);
  const [controller, node] = (await resolved(cluster.sshConfig)).split(/^(?=Host )/m);
  expect(controller).toMatch(
    /^Host dev-controller\n {2}HostName login\.example\.org\n {2}Port 2222\n.*HostKeyAlias dev-controller\n/s,
  );
  expect(node).toMatch(/ProxyJump dev-controller\n/);
  expect(node).not.toContain("Port 2222");
});

it("gives two stacks different secrets and host keys", async () => {
  const first = await declare(1, false);
  const second = await declare(1, false);
  const secretOf = (mocks: RecordingMocks) => withoutEnvelopes(mocks.ofType("pulumi:index:Stash")[1]?.inputs);
  expect(secretOf(first.mocks)).not.toEqual(secretOf(second.mocks));
  expect(await resolved(first.cluster.knownHosts)).not.toBe(await resolved(second.cluster.knownHosts));
});

function isEnvelope(value: unknown): boolean {
  return typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value;
}
