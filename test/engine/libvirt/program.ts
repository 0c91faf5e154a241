/** Pool, volumes and network of one host, steered by configuration. */
import * as libvirt from "@pulumi/libvirt";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const provider = new libvirt.Provider("host", { uri: config.require("uri"), owner: config.require("owner") });
const options = { provider };

const pool = new libvirt.Pool(
  "pool",
  { name: config.get("pool") ?? "epool", path: config.require("path") },
  options,
);
const state = new libvirt.Volume(
  "state",
  { name: "state", pool: pool.name, sizeMiB: config.getNumber("sizeMiB") ?? 10 },
  options,
);
const source = config.get("image");
const sha256 = config.get("sha256");
const image =
  source === undefined
    ? undefined
    : new libvirt.Volume(
        "image",
        {
          name: "image",
          pool: pool.name,
          source: sha256 === undefined ? { path: source, id: "image-1" } : { path: source, sha256 },
        },
        options,
      );
const seed = new libvirt.Volume(
  "seed",
  {
    name: "seed",
    pool: pool.name,
    seed: { userData: pulumi.secret("#cloud-config\npassword: correct horse\n"), metaData: "{}" },
  },
  options,
);
const network = new libvirt.Network(
  "network",
  {
    name: "elab",
    mode: "nat",
    bridge: "elab0",
    address: "10.90.0.1/24",
    dhcpRange: { start: "10.90.0.100", end: config.get("rangeEnd") ?? "10.90.0.199" },
  },
  options,
);

export const poolName = pool.name;
export const poolUuid = pool.uuid;
export const statePath = state.path;
export const imagePath = image?.path;
export const seedCapacity = seed.capacityMiB;
export const networkUuid = network.uuid;
export const cpus = libvirt.getHostOutput({ provider }).cpus;
