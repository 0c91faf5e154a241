import { formatSubnet, overlap, parseSubnet } from "../../planning/ipv4.ts";
import type { Known, LabNeeds, MachineFacts } from "./facts.ts";
import type { Finding } from "./finding.ts";

/** Kept free for the host itself. */
const HOST_MEMORY_MIB = 512;
/** What the build of an image takes while it runs; the builder asks for the same. */
const IMAGE_BUILD_MIB = 4_096;
/** What an image takes in the pool. */
const IMAGE_DISK_MIB = 1_024;
/** What a fresh machine writes to its disk in its first days; its full size is only a limit. */
const FIRST_DISK_MIB = 1_024;

/** All checks of a lab against a machine. Pure: the facts are gathered elsewhere. */
export function checkMachine(needs: LabNeeds, facts: MachineFacts): Finding[] {
  return [
    ...checkSubnets(needs, facts),
    ...checkForwarding(needs, facts),
    ...checkMemory(needs, facts),
    ...checkDisk(needs, facts),
    ...checkKvm(needs, facts),
    ...checkUserNamespaces(needs, facts),
  ];
}

/** Networks that the machine reaches already: its own, Docker's, those of VPNs. */
export function checkSubnets(needs: LabNeeds, facts: Pick<MachineFacts, "routes">): Finding[] {
  if (needs.networks.length === 0) return [];
  const { routes } = facts;
  if (!routes.known) {
    const problem = `whether the lab's subnet is already in use is not known: ${routes.why}`;
    return [{ check: "subnet", level: "unknown", problem, fix: "look at `ip route` yourself" }];
  }
  return needs.networks.flatMap((network) => {
    const wanted = parseSubnet(network.subnet);
    // The lab's own bridge is there from the second run on.
    const hit =
      wanted &&
      routes.value.find((route) => route.device !== network.bridge && overlap(route.subnet, wanted));
    if (!wanted || !hit) return [];
    return [
      {
        check: "subnet",
        level: "error" as const,
        problem:
          `the subnet ${network.subnet} of network ${network.name} overlaps with ${formatSubnet(hit.subnet)}, ` +
          `which this machine reaches through ${hit.device}`,
        fix: "choose another subnet in the cluster file (`ip route` lists those in use)",
      },
    ];
  });
}

/** Docker, ufw and firewalld drop what they do not know; libvirt's own rules help only in the same tables. */
export function checkForwarding(needs: Pick<LabNeeds, "networks">, facts: FirewallFacts): Finding[] {
  const bridges = needs.networks.map((network) => network.bridge);
  if (bridges.length === 0) return [];
  return [...checkFirewalld(bridges, facts), ...checkIptables(bridges, facts)];
}

/** What is known of a firewall. */
export type FirewallFacts = Pick<
  MachineFacts,
  "firewall" | "docker" | "ufwEnabled" | "firewalld" | "bridgeTrafficIsFiltered"
>;

function checkFirewalld(bridges: readonly string[], facts: FirewallFacts): Finding[] {
  if (!facts.firewalld.running || facts.firewalld.hasLibvirtZone) return [];
  const add = bridges.map((bridge) => `firewall-cmd --permanent --zone=trusted --add-interface=${bridge}`);
  return [
    {
      check: "firewalld",
      level: "warning",
      problem:
        "firewalld runs without libvirt's zone, so it blocks addresses and names for the lab's machines",
      fix: [...add, "firewall-cmd --reload"].map((command) => `sudo ${command}`).join(" && "),
    },
  ];
}

function checkIptables(bridges: readonly string[], facts: FirewallFacts): Finding[] {
  const suspects = [...(facts.docker ? ["Docker"] : []), ...(facts.ufwEnabled ? ["ufw"] : [])];
  if (!facts.firewall.known) {
    if (suspects.length === 0) return [];
    const problem = `${suspects.join(" and ")} may block the lab's network; that is not known: ${facts.firewall.why}`;
    const allow = iptablesFix(bridges, facts.docker ? "DOCKER-USER" : "FORWARD", true, false);
    const fix = `run \`sudo iptables -S FORWARD\`; where its policy is DROP and no line names LIBVIRT: ${allow}`;
    return [
      {
        check: "forwarding",
        level: "unknown",
        problem,
        fix: suspects.includes("ufw") ? ufwFix(bridges) : fix,
      },
    ];
  }
  const { forward, input } = facts.firewall.value;
  const drops = (chain: readonly string[], name: string): boolean =>
    chain.some((rule) => rule === `-P ${name} DROP` || rule === `-P ${name} REJECT`);
  const hasLibvirt = (chain: readonly string[]): boolean => chain.some((rule) => /-j LIBVIRT_/.test(rule));
  const forwardBlocked = drops(forward, "FORWARD") && !hasLibvirt(forward);
  const inputBlocked = drops(input, "INPUT") && !hasLibvirt(input);
  if (!forwardBlocked && !inputBlocked) return [];
  const who = suspects.length > 0 ? suspects.join(" and ") : "the firewall";
  const effects = [
    ...(inputBlocked ? ["machines get no address and no names from the host"] : []),
    ...(forwardBlocked ? ["machines do not reach the outside"] : []),
    ...(forwardBlocked && facts.bridgeTrafficIsFiltered ? ["machines do not reach each other"] : []),
  ];
  // Docker leaves this chain to its users and keeps it when it restarts.
  const chain = forward.some((rule) => rule.includes("-j DOCKER-USER")) ? "DOCKER-USER" : "FORWARD";
  const fix = facts.ufwEnabled ? ufwFix(bridges) : iptablesFix(bridges, chain, forwardBlocked, inputBlocked);
  const problem = `${who} drops traffic of libvirt's networks unless libvirt's rules stand in the same tables: ${effects.join(", ")}`;
  return [{ check: "forwarding", level: "warning", problem, fix }];
}

function ufwFix(bridges: readonly string[]): string {
  const rules = bridges.flatMap((bridge) => [
    `ufw allow in on ${bridge}`,
    `ufw route allow in on ${bridge}`,
    `ufw route allow out on ${bridge}`,
  ]);
  return rules.map((rule) => `sudo ${rule}`).join(" && ");
}

function iptablesFix(
  bridges: readonly string[],
  chain: "DOCKER-USER" | "FORWARD",
  forwarded: boolean,
  input: boolean,
): string {
  const rules = bridges.flatMap((bridge) => [
    ...(forwarded ? [`${chain} -i ${bridge} -j ACCEPT`, `${chain} -o ${bridge} -j ACCEPT`] : []),
    ...(input ? [`INPUT -i ${bridge} -j ACCEPT`] : []),
  ]);
  return rules.map((rule) => `sudo iptables -I ${rule}`).join(" && ");
}

/** Memory for the machines that do not exist yet. */
export function checkMemory(needs: LabNeeds, facts: MachineFacts): Finding[] {
  const fresh = newMachines(needs, facts);
  const wanted = fresh.reduce((sum, machine) => sum + machine.memoryMiB, 0);
  if (wanted === 0) return [];
  if (!facts.memoryAvailableMiB.known) {
    const problem = `whether ${wanted} MiB of memory are there is not known: ${facts.memoryAvailableMiB.why}`;
    return [{ check: "memory", level: "unknown", problem, fix: "look at `free -m`" }];
  }
  const available = facts.memoryAvailableMiB.value - HOST_MEMORY_MIB;
  if (wanted <= available) return [];
  return [
    {
      check: "memory",
      level: "error",
      problem:
        `${fresh.length} new machine${fresh.length === 1 ? "" : "s"} want ${wanted} MiB of memory, ` +
        `but ${Math.max(0, available)} MiB can be used (${HOST_MEMORY_MIB} MiB stay with the host)`,
      fix: "declare fewer or smaller nodes in the cluster file, or free memory on this machine",
    },
  ];
}

/** Space for the disks of new machines, and for building their image. */
export function checkDisk(needs: LabNeeds, facts: MachineFacts): Finding[] {
  const fresh = newMachines(needs, facts);
  if (fresh.length === 0) return [];
  return [...checkPool(needs, fresh, facts.poolFreeMiB), ...checkImageBuild(needs, facts)];
}

const disk = (level: Finding["level"], problem: string, fix: string): Finding[] => [
  { check: "disk", level, problem, fix },
];

function checkPool(needs: LabNeeds, fresh: LabNeeds["machines"], space: Known<number>): Finding[] {
  const { poolPath } = needs;
  if (!space.known) {
    return disk(
      "unknown",
      `the free space of ${poolPath} is not known: ${space.why}`,
      `look at \`df -h ${poolPath}\``,
    );
  }
  const least = IMAGE_DISK_MIB + fresh.length * FIRST_DISK_MIB;
  const full = IMAGE_DISK_MIB + fresh.reduce((sum, machine) => sum + machine.diskMiB, 0);
  const numbers = `${space.value} MiB are free in ${poolPath}`;
  if (space.value < least) {
    const problem = `${numbers}, but image and ${fresh.length} new machines need ${least} MiB to begin with`;
    return disk("error", problem, "free space there, or set another pool_path in the cluster file");
  }
  if (space.value < full) {
    const problem = `${numbers}; machines that fill their disks would need ${full} MiB, and stop when the space runs out`;
    return disk("warning", problem, "watch the space, or choose smaller disks");
  }
  return [];
}

function checkImageBuild(needs: LabNeeds, { imageBuild }: MachineFacts): Finding[] {
  if (!needs.buildsImage || imageBuild === undefined) return [];
  const { folder, freeMiB } = imageBuild;
  if (!freeMiB.known) {
    return disk(
      "unknown",
      `the free space of ${folder}, where the image is built, is not known: ${freeMiB.why}`,
      `look at \`df -h ${folder}\``,
    );
  }
  if (freeMiB.value >= IMAGE_BUILD_MIB) return [];
  return disk(
    "error",
    `${freeMiB.value} MiB are free in ${folder}, but building the image takes ${IMAGE_BUILD_MIB} MiB there`,
    "free space there, or set XDG_CACHE_HOME to a folder on a larger disk",
  );
}

function newMachines(needs: LabNeeds, facts: Pick<MachineFacts, "existingMachines">): LabNeeds["machines"] {
  return needs.machines.filter((machine) => !facts.existingMachines.includes(machine.name));
}

/** Whether machines run with hardware virtualisation, where the file asks for it or would take it. */
export function checkKvm(needs: LabNeeds, facts: Pick<MachineFacts, "kvm">): Finding[] {
  const { kvm } = facts;
  if (needs.hypervisor === "qemu" || kvm.usable === true) return [];
  const broken = kvm.usable === false;
  const asked = needs.hypervisor === "kvm";
  const remedy = kvm.fix ?? "turn on virtualisation in the firmware";
  return [
    {
      check: "kvm",
      level: broken ? (asked ? "error" : "warning") : "unknown",
      problem: asked
        ? `the cluster file asks for KVM, but ${kvm.reason}`
        : `machines will be emulated, which is 5 to 20 times slower: ${kvm.reason}`,
      fix: asked ? `${remedy}; or set \`hypervisor: auto\`` : remedy,
    },
  ];
}

/** Without root an image is built in a user namespace. */
export function checkUserNamespaces(needs: LabNeeds, facts: Pick<MachineFacts, "userNamespaces">): Finding[] {
  const { userNamespaces } = facts;
  if (!needs.buildsImage || !userNamespaces) return [];
  const { allowed, hasIdRange, restricted, user } = userNamespaces;
  const finding = (problem: string, fix: string): Finding => ({
    check: "user-namespaces",
    level: "error",
    problem: `the image cannot be built without root: ${problem}`,
    fix,
  });
  return [
    ...(allowed
      ? []
      : [
          finding(
            "the kernel forbids user namespaces to ordinary users",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
          ),
        ]),
    ...(restricted
      ? [
          finding(
            "AppArmor forbids user namespaces to mmdebstrap",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
          ),
        ]
      : []),
    ...(hasIdRange
      ? []
      : [
          finding(
            `${user} has no range of user ids`,
            `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${user}`,
          ),
        ]),
  ];
}
