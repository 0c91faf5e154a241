import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkDisk,
  checkForwarding,
  checkKvm,
  checkMachine,
  checkMemory,
  checkSubnets,
  checkUserNamespaces,
} from "../../../tools/preflight/checks.ts";
import { known, type LabNeeds, type MachineFacts, unknown } from "../../../tools/preflight/facts.ts";
import { formatSubnet, overlap, parseRoutes, parseSubnet, subnet } from "../../../tools/preflight/ipv4.ts";
import { isLocalSystem, labNeeds } from "../../../tools/preflight/needs.ts";

const needs: LabNeeds = {
  networks: [{ name: "lab", bridge: "hlab0", subnet: "10.57.0.0/24" }],
  machines: [
    { name: "lab-controller", memoryMiB: 2048, diskMiB: 10_240 },
    { name: "lab-compute-01", memoryMiB: 2048, diskMiB: 10_240 },
  ],
  poolPath: "/var/lib/libvirt/images",
  hypervisor: "auto",
  buildsImage: true,
};

const healthy: MachineFacts = {
  routes: known([]),
  memoryAvailableMiB: known(16_000),
  poolFreeMiB: known(100_000),
  kvm: { usable: true, reason: "a test program ran under KVM" },
  firewall: known({ forward: ["-P FORWARD ACCEPT"], input: ["-P INPUT ACCEPT"] }),
  docker: false,
  ufwEnabled: false,
  firewalld: { running: false, hasLibvirtZone: false },
  bridgeTrafficIsFiltered: false,
  userNamespaces: undefined,
  existingMachines: [],
};

/** Two routes of a real machine: the default one and one for 10.57.0.0/16 through eth0. */
const ROUTES = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000390A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;

describe("a healthy machine", () => {
  it("has no findings", () => {
    expect(checkMachine(needs, healthy)).toEqual([]);
  });
});

describe("subnets", () => {
  it("reads the kernel's routes without the default route", () => {
    expect(parseRoutes(ROUTES).map(({ device, subnet: net }) => [device, formatSubnet(net)])).toEqual([
      ["eth0", "10.57.0.0/16"],
    ]);
    fc.assert(fc.property(fc.string(), (text) => void parseRoutes(text)));
  });

  it("names the route that collides", () => {
    const [finding, ...others] = checkSubnets(needs, { routes: known(parseRoutes(ROUTES)) });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ check: "subnet", level: "error" });
    expect(finding?.problem).toBe(
      "the subnet 10.57.0.0/24 of network lab overlaps with 10.57.0.0/16, which this machine reaches through eth0",
    );
  });

  it("does not collide with the lab's own bridge, which is there from the second run on", () => {
    const own = known([{ device: "hlab0", subnet: subnet(0x0a390000, 24) }]);
    expect(checkSubnets(needs, { routes: own })).toEqual([]);
  });

  it("says unknown where the routes cannot be read", () => {
    expect(checkSubnets(needs, { routes: unknown("no /proc") })).toMatchObject([{ level: "unknown" }]);
  });

  it("overlap is symmetric, and a network overlaps with every part of itself", () => {
    const network = fc.record({ base: fc.nat(0xffffffff), prefix: fc.integer({ min: 0, max: 32 }) });
    fc.assert(
      fc.property(network, network, fc.integer({ min: 0, max: 32 }), (a, b, longer) => {
        const first = subnet(a.base, a.prefix);
        const second = subnet(b.base, b.prefix);
        expect(overlap(first, second)).toBe(overlap(second, first));
        expect(overlap(first, subnet(first.base, Math.max(first.prefix, longer)))).toBe(true);
        expect(parseSubnet(formatSubnet(first))).toEqual(first);
      }),
    );
  });

  it.each(["10.0.0.0", "10.0.0.256/24", "10.0.0.0/33", "a.b.c.d/8", ""])("%j is no subnet", (text) => {
    expect(parseSubnet(text)).toBeUndefined();
  });
});

describe("memory and disk", () => {
  it("counts new machines only", () => {
    const scarce = { ...healthy, memoryAvailableMiB: known(3_000) };
    expect(checkMemory(needs, scarce)).toMatchObject([{ check: "memory", level: "error" }]);
    expect(checkMemory(needs, { ...scarce, existingMachines: ["lab-compute-01"] })).toEqual([]);
    const both = ["lab-compute-01", "lab-controller"];
    expect(checkMemory(needs, { ...scarce, memoryAvailableMiB: known(100), existingMachines: both })).toEqual(
      [],
    );
  });

  it("leaves memory for the host", () => {
    expect(checkMemory(needs, { ...healthy, memoryAvailableMiB: known(4096 + 512) })).toEqual([]);
    expect(checkMemory(needs, { ...healthy, memoryAvailableMiB: known(4096 + 511) })).toHaveLength(1);
  });

  it("refuses a disk that is too small to begin with, and warns of one that may fill up", () => {
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: known(5_000) })).toMatchObject([{ level: "error" }]);
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: known(10_000) })).toMatchObject([
      { level: "warning" },
    ]);
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: unknown("no such folder") })).toMatchObject([
      { level: "unknown", problem: "the free space of /var/lib/libvirt/images is not known: no such folder" },
    ]);
  });
});

describe("firewalls", () => {
  const dropping = known({
    forward: ["-P FORWARD DROP", "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD"],
    input: ["-P INPUT ACCEPT"],
  });

  it("sees Docker's policy, what it blocks, and the chain that Docker leaves to us", () => {
    const facts = { ...healthy, docker: true, firewall: dropping, bridgeTrafficIsFiltered: true };
    const [finding] = checkForwarding(needs, facts);
    expect(finding).toMatchObject({ check: "forwarding", level: "warning" });
    expect(finding?.problem).toMatch(
      /^Docker drops .* machines do not reach the outside, machines do not reach each other$/,
    );
    expect(finding?.fix).toBe(
      "sudo iptables -I DOCKER-USER -i hlab0 -j ACCEPT && sudo iptables -I DOCKER-USER -o hlab0 -j ACCEPT",
    );
  });

  it("is content where libvirt's rules stand in the same chain", () => {
    const forward = ["-P FORWARD DROP", "-A FORWARD -j LIBVIRT_FWX", "-A FORWARD -j LIBVIRT_FWI"];
    const firewall = known({ forward, input: ["-P INPUT ACCEPT"] });
    expect(checkForwarding(needs, { ...healthy, docker: true, firewall })).toEqual([]);
  });

  it("gives ufw's own commands for ufw", () => {
    const firewall = known({ forward: ["-P FORWARD DROP"], input: ["-P INPUT DROP"] });
    const [finding] = checkForwarding(needs, { ...healthy, ufwEnabled: true, firewall });
    expect(finding?.fix).toBe(
      "sudo ufw allow in on hlab0 && sudo ufw route allow in on hlab0 && sudo ufw route allow out on hlab0",
    );
    expect(finding?.problem).toContain("machines get no address");
  });

  it("says unknown where the rules cannot be read and there is reason to ask", () => {
    const firewall = unknown("only root can read the firewall's rules");
    expect(checkForwarding(needs, { ...healthy, firewall })).toEqual([]);
    expect(checkForwarding(needs, { ...healthy, firewall, docker: true })).toMatchObject([
      { level: "unknown" },
    ]);
  });

  it("sees firewalld without libvirt's zone", () => {
    const firewalld = { running: true, hasLibvirtZone: false };
    expect(checkForwarding(needs, { ...healthy, firewalld })).toMatchObject([{ check: "firewalld" }]);
    expect(
      checkForwarding(needs, { ...healthy, firewalld: { running: true, hasLibvirtZone: true } }),
    ).toEqual([]);
  });

  it("asks nothing of a lab that uses an existing network", () => {
    expect(
      checkForwarding({ ...needs, networks: [] }, { ...healthy, docker: true, firewall: dropping }),
    ).toEqual([]);
  });
});

describe("KVM", () => {
  const broken = { usable: false, reason: "a test program hangs" };
  const untried = { usable: undefined, reason: "you may not open /dev/kvm" };

  it("is an error only where the file insists on it", () => {
    expect(checkKvm(needs, { kvm: broken })).toMatchObject([{ level: "warning" }]);
    expect(checkKvm({ ...needs, hypervisor: "kvm" }, { kvm: broken })).toMatchObject([{ level: "error" }]);
    expect(checkKvm({ ...needs, hypervisor: "qemu" }, { kvm: broken })).toEqual([]);
  });

  it("is unknown, not passed, where it could not be tried", () => {
    expect(checkKvm(needs, { kvm: untried })).toMatchObject([{ level: "unknown" }]);
    expect(checkKvm({ ...needs, hypervisor: "kvm" }, { kvm: untried })).toMatchObject([{ level: "unknown" }]);
  });
});

describe("building an image without root", () => {
  const able = { user: "ada", allowed: true, restricted: false, hasIdRange: true };
  const problems = (more: Partial<typeof able>, builds = true) =>
    checkUserNamespaces({ ...needs, buildsImage: builds }, { userNamespaces: { ...able, ...more } }).map(
      ({ fix }) => fix,
    );

  it("asks for user namespaces and a range of ids", () => {
    expect(problems({})).toEqual([]);
    expect(problems({ allowed: false })).toEqual(["sudo sysctl -w kernel.unprivileged_userns_clone=1"]);
    expect(problems({ restricted: true, hasIdRange: false })).toEqual([
      "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
      "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ada",
    ]);
  });

  it("asks for nothing where no image is built, or as root", () => {
    expect(problems({ allowed: false }, false)).toEqual([]);
    expect(checkUserNamespaces(needs, { userNamespaces: undefined })).toEqual([]);
  });
});

describe("what a lab needs", () => {
  it("is nothing for a file without clusters", () => {
    expect(labNeeds({ name: "empty", description: "" })).toMatchObject({ networks: [], machines: [] });
  });

  it.each([
    ["qemu:///system", true],
    ["qemu+unix:///system?socket=/run/x", false],
    ["qemu:///session", false],
    ["qemu+ssh://root@host/system", false],
    ["test:///default", false],
  ])("%s is the libvirt that may be set up: %s", (uri, expected) => {
    expect(isLocalSystem(uri)).toBe(expected);
  });
});
