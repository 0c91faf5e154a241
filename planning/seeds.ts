import { formatIpv4 } from "./ipv4.ts";
import { digest } from "./names.ts";
import type { ResolvedNetwork } from "./network.ts";
import type { NodeRole, SeedPlan } from "./plan.ts";

/** One machine as far as its seed depends on it. */
export interface SeedUser {
  name: string;
  role: NodeRole;
  address: number;
  mac: string;
  /** Whether the machine's image has the guest software. */
  golden: boolean;
}

/**
 * Seeds of the machines: one for each role and kind of image; on an existing network one for each machine, because its
 * static address is in it.
 */
export class SeedPlanner {
  readonly #seeds = new Map<string, SeedPlan>();
  readonly #cluster: string;
  readonly #controller: { name: string; address: number };
  readonly #network: ResolvedNetwork;
  readonly #additions: Pick<SeedPlan, "packages" | "files">;

  constructor(
    cluster: string,
    controller: { name: string; address: number },
    network: ResolvedNetwork,
    additions: Pick<SeedPlan, "packages" | "files">,
  ) {
    this.#cluster = cluster;
    this.#controller = controller;
    this.#network = network;
    this.#additions = additions;
  }

  /** Name of the machine's seed; plans the seed where it is new. */
  seedOf(machine: SeedUser): string {
    const own = this.#network.plan.kind === "existing";
    const kind = machine.golden ? "" : "-cloud-image";
    const name = own
      ? `${this.#cluster}-seed-${suffix(machine.name, this.#cluster)}`
      : `${this.#cluster}-seed-${machine.role}${kind}`;
    if (!this.#seeds.has(name)) {
      this.#seeds.set(name, {
        name,
        role: machine.role,
        controllerName: this.#controller.name,
        controllerAddress: formatIpv4(this.#controller.address),
        ...(machine.golden ? { packages: [], files: [] } : this.#additions),
        bootstrap: !machine.golden,
        ...(own ? { networkConfig: networkConfig(machine, this.#network) } : {}),
      });
    }
    return name;
  }

  all(): SeedPlan[] {
    return [...this.#seeds.values()];
  }
}

const suffix = (name: string, cluster: string): string =>
  name.startsWith(`${cluster}-`) ? name.slice(cluster.length + 1) : digest(name);

/** NoCloud network configuration, version 2. JSON is YAML; interfaces are matched by MAC, never by name. */
function networkConfig(machine: SeedUser, network: ResolvedNetwork): string {
  const { subnet, gateway, nameServers } = network;
  const document = {
    version: 2,
    ethernets: {
      lab: {
        match: { macaddress: machine.mac },
        addresses: [`${formatIpv4(machine.address)}/${subnet.prefix}`],
        routes: [{ to: "0.0.0.0/0", via: formatIpv4(gateway) }],
        nameservers: { addresses: nameServers },
      },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
