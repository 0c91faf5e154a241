import type { HpcClusterPlan, SeedPlan } from "../plan.ts";

/** Public keys that a seed carries. */
export interface SeedKeys {
  /** May log in as `hyperlab`, on the controller and, through it, on the nodes. */
  loginPublicKey: string;
  /** The controller's key to its nodes. */
  clusterPublicKey: string;
}

/** A file that a user's cloud image lacks. */
export interface BootstrapFile {
  /** Absolute path in the guest. */
  path: string;
  content: string;
  /** Octal, for example `0755`. */
  mode: string;
}

/** What makes a user's cloud image a machine of the lab; the image builder knows it. */
export interface Bootstrap {
  packages: readonly string[];
  files: readonly BootstrapFile[];
  /** Commands after packages and files, each as a list of arguments. */
  commands: readonly (readonly string[])[];
}

/** Content of a seed, as the provider's `Volume` takes it. */
export interface SeedContent {
  userData: string;
  metaData: string;
  networkConfig?: string;
}

const ADMINISTRATION = {
  name: "hyperlab",
  gecos: "hyperlab administration",
  shell: "/bin/bash",
  lock_passwd: true,
  sudo: "ALL=(ALL) NOPASSWD:ALL",
} as const;

/**
 * The NoCloud seed of a role. It holds no secret, and nothing that differs between its machines: name and instance id
 * come from the SMBIOS serial, addresses from DHCP. The same plan and keys always give the same bytes.
 *
 * @param bootstrap Needed where `seed.bootstrap` is set.
 * @throws Error where it is needed and absent.
 */
export function renderSeed(
  plan: HpcClusterPlan,
  seed: SeedPlan,
  keys: SeedKeys,
  bootstrap?: Bootstrap,
): SeedContent {
  if (seed.bootstrap && bootstrap === undefined) {
    throw new Error(
      `The seed ${seed.name} serves a cloud image without the guest programs, and none were handed over; ` +
        "this is an error of hyperlab, not of the cluster file.",
    );
  }
  const document = {
    // The golden image has the account; on a user's cloud image it is made here.
    users: [
      seed.bootstrap
        ? { ...ADMINISTRATION, ssh_authorized_keys: [keys.loginPublicKey] }
        : { name: ADMINISTRATION.name, ssh_authorized_keys: [keys.loginPublicKey] },
    ],
    write_files: [...roleFiles(plan, seed, keys), ...bootstrapFiles(seed, bootstrap)],
    ...bootstrapSteps(seed, bootstrap),
  };
  return {
    userData: `#cloud-config\n${JSON.stringify(document, null, 2)}\n`,
    metaData: "{}\n",
    ...(seed.networkConfig === undefined ? {} : { networkConfig: seed.networkConfig }),
  };
}

function roleFiles(plan: HpcClusterPlan, seed: SeedPlan, keys: SeedKeys) {
  const facts = {
    format: 1,
    cluster: plan.name,
    role: seed.role,
    controller: { name: seed.controllerName, address: seed.controllerAddress },
    subnet: plan.network.subnet,
    loginPublicKey: keys.loginPublicKey,
    clusterPublicKey: keys.clusterPublicKey,
  };
  return [
    { path: "/etc/hyperlab/role", permissions: "0644", content: `${seed.role}\n` },
    { path: "/etc/hyperlab/seed.json", permissions: "0644", content: `${JSON.stringify(facts, null, 2)}\n` },
  ];
}

function bootstrapFiles(seed: SeedPlan, bootstrap: Bootstrap | undefined) {
  if (!seed.bootstrap || bootstrap === undefined) return [];
  return [...bootstrap.files, ...seed.files].map(({ path, content, mode }) => ({
    path,
    permissions: mode,
    content,
  }));
}

function bootstrapSteps(seed: SeedPlan, bootstrap: Bootstrap | undefined) {
  if (!seed.bootstrap || bootstrap === undefined) return {};
  return {
    // The program `identity` writes the host key that is pinned, and starts sshd then.
    ssh_deletekeys: true,
    ssh_genkeytypes: [],
    ssh_pwauth: false,
    disable_root: false,
    manage_etc_hosts: false,
    preserve_hostname: false,
    package_update: true,
    packages: [...new Set([...bootstrap.packages, ...seed.packages])].sort(),
    runcmd: bootstrap.commands,
  };
}
