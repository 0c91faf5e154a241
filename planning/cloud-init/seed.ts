import { GUEST_SERIAL } from "../domains.ts";
import type { HpcClusterPlan, SeedPlan } from "../plan.ts";

/** Public keys that a seed carries. */
export interface SeedKeys {
  /** May log in as `hyperlab`, on the controller and, through it, on the nodes. */
  loginPublicKey: string;
  /** The controller's key to its nodes. */
  clusterPublicKey: string;
}

/** Content of a seed, as the provider's `Volume` takes it. */
export interface SeedContent {
  userData: string;
  metaData: string;
  networkConfig?: string;
}

/**
 * Unpacks the guest software from its disk, before cloud-init writes files, so that those of the cluster file win, and
 * before it sets up accounts, so that they get their fixed ids. Not once per boot but once per instance.
 */
const UNPACK = `set -e
disk=/dev/disk/by-id/virtio-${GUEST_SERIAL}
udevadm settle --timeout=60 --exit-if-exists=$disk
mkdir -p /run/hyperlab/guest
mount -t iso9660 -o ro $disk /run/hyperlab/guest
tar -C / --no-same-owner --keep-directory-symlink -xf /run/hyperlab/guest/guest.tar
umount /run/hyperlab/guest
systemctl daemon-reload
/usr/lib/hyperlab/bootstrap accounts
`;

/**
 * The NoCloud seed of a role. It holds no secret, and nothing that differs between its machines: name and instance id
 * come from the SMBIOS serial, addresses from DHCP. The same plan and keys always give the same bytes.
 */
export function renderSeed(plan: HpcClusterPlan, seed: SeedPlan, keys: SeedKeys): SeedContent {
  const document = {
    ...(seed.bootstrap ? { bootcmd: [["cloud-init-per", "instance", "hyperlab", "sh", "-c", UNPACK]] } : {}),
    users: [{ name: "hyperlab", ssh_authorized_keys: [keys.loginPublicKey] }],
    write_files: [...roleFiles(plan, seed, keys), ...additions(seed)],
    ...(seed.bootstrap ? BOOTSTRAP : {}),
  };
  return {
    userData: `#cloud-config\n${JSON.stringify(document, null, 2)}\n`,
    metaData: "{}\n",
    ...(seed.networkConfig === undefined ? {} : { networkConfig: seed.networkConfig }),
  };
}

/** What the golden image says in its own configuration of cloud-init, and the start of what is installed. */
const BOOTSTRAP = {
  // No host key of its own: the program `identity` writes the one that is pinned, and starts sshd then.
  ssh_deletekeys: true,
  ssh_keys: {},
  ssh_pwauth: false,
  disable_root: false,
  manage_etc_hosts: false,
  preserve_hostname: false,
  runcmd: [["systemctl", "enable", "--now", "--no-block", "hyperlab-bootstrap.service"]],
};

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

/** Files and packages of the cluster file; the golden image has them already. */
function additions(seed: SeedPlan) {
  const files = seed.files.map(({ path, content, mode }) => ({ path, permissions: mode, content }));
  if (seed.packages.length === 0) return files;
  const list = seed.packages.map((name) => `${name}\n`).join("");
  return [...files, { path: "/etc/hyperlab/packages", permissions: "0644", content: list }];
}
