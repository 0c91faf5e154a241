import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatSubnet } from "../../../planning/ipv4.ts";
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
import { isLocalSystem, labNeeds } from "../../../tools/preflight/needs.ts";
import { parseIpRoutes, parseProcRoutes, type Route } from "../../../tools/preflight/routes.ts";

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
  imageBuild: { folder: "/home/ada/.cache/hyperlab/images", freeMiB: known(100_000) },
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
const PROC_ROUTES = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000390A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;

/** Routes of a machine with Docker and VPNs, as `ip` prints them. */
const IP_ROUTES = `default via 192.168.1.1 dev eth0 proto dhcp src 192.168.1.7 metric 100
0.0.0.0/1 via 10.8.0.1 dev tun0
128.0.0.0/1 via 10.8.0.1 dev tun0
10.20.0.0/16 via 10.8.0.1 dev tun0 metric 50
10.8.0.1 dev tun0 proto kernel scope link src 10.8.0.2
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown
172.18.0.0/16 dev br-1234567890ab proto kernel scope link src 172.18.0.1
192.168.9.0/24 proto static \\\tnexthop via 192.168.1.2 dev eth0 weight 1 \\\tnexthop via 192.168.1.3 dev eth0 weight 1
100.64.0.0/10 dev tailscale0 table 52
blackhole 198.51.100.0/24 proto static
local 192.168.1.7 dev eth0 table local proto kernel scope host src 192.168.1.7
broadcast 192.168.1.255 dev eth0 table local proto kernel scope link src 192.168.1.7
`;
const written = (routes: readonly Route[]): string[] =>
  routes.map(({ device, subnet }) => `${formatSubnet(subnet)} ${device}`);

describe("a healthy machine", () => {
  it("has no findings", () => {
    expect(checkMachine(needs, healthy)).toEqual([]);
  });
});

describe("subnets", () => {
  it("reads the routes of every table, Docker's and those of VPNs, and no default route", () => {
    expect(written(parseIpRoutes(IP_ROUTES))).toEqual([
      "10.20.0.0/16 tun0",
      "10.8.0.1/32 tun0",
      "172.17.0.0/16 docker0",
      "172.18.0.0/16 br-1234567890ab",
      "192.168.9.0/24 eth0",
      "100.64.0.0/10 tailscale0",
    ]);
    expect(written(parseProcRoutes(PROC_ROUTES))).toEqual(["10.57.0.0/16 eth0"]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseIpRoutes(text);
        parseProcRoutes(text);
      }),
    );
  });

  it.each([
    ["172.17.9.0/24", "docker0"],
    ["172.18.0.0/24", "br-1234567890ab"],
    ["10.20.30.0/24", "tun0"],
    ["100.100.0.0/24", "tailscale0"],
  ])("%s collides with %s", (subnet, device) => {
    const networks = [{ name: "lab", bridge: "hlab0", subnet }];
    const [finding] = checkSubnets({ ...needs, networks }, { routes: known(parseIpRoutes(IP_ROUTES)) });
    expect(finding?.problem).toContain(`reaches through ${device}`);
  });

  it("names the route that collides", () => {
    const [finding, ...others] = checkSubnets(needs, { routes: known(parseProcRoutes(PROC_ROUTES)) });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ check: "subnet", level: "error" });
    expect(finding?.problem).toBe(
      "the subnet 10.57.0.0/24 of network lab overlaps with 10.57.0.0/16, which this machine reaches through eth0",
    );
  });

  it("does not collide with the lab's own bridge, which is there from the second run on", () => {
    const own = known(parseIpRoutes("10.57.0.0/24 dev hlab0 proto kernel scope link src 10.57.0.1"));
    expect(checkSubnets(needs, { routes: own })).toEqual([]);
  });

  it("says unknown where the routes cannot be read", () => {
    expect(checkSubnets(needs, { routes: unknown("no /proc") })).toMatchObject([{ level: "unknown" }]);
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

  it("refuses a pool that is too small to begin with, and warns of one that may fill up", () => {
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: known(3_071) })).toMatchObject([
      { check: "disk", level: "error", fix: expect.stringContaining("pool_path") },
    ]);
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: known(3_072) })).toMatchObject([{ level: "warning" }]);
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: known(21_504) })).toEqual([]);
    expect(checkDisk(needs, { ...healthy, poolFreeMiB: unknown("no such folder") })).toMatchObject([
      { level: "unknown", problem: "the free space of /var/lib/libvirt/images is not known: no such folder" },
    ]);
  });

  it("refuses a folder that is too small to build the image in, where one is to be built", () => {
    const scarce = { ...healthy, imageBuild: { folder: "/cache/images", freeMiB: known(4_095) } };
    expect(checkDisk(needs, scarce)).toEqual([
      {
        check: "disk",
        level: "error",
        problem: "4095 MiB are free in /cache/images, but building the image takes 4096 MiB there",
        fix: "free space there, or set XDG_CACHE_HOME to a folder on a larger disk",
      },
    ]);
    expect(checkDisk({ ...needs, buildsImage: false }, scarce)).toEqual([]);
    expect(checkDisk(needs, { ...healthy, imageBuild: undefined })).toEqual([]);
    const lost = { folder: "/cache/images", freeMiB: unknown("no such folder") };
    expect(checkDisk(needs, { ...healthy, imageBuild: lost })).toMatchObject([{ level: "unknown" }]);
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
      { level: "unknown", fix: expect.stringContaining("sudo iptables -I DOCKER-USER -i hlab0 -j ACCEPT") },
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
  const untried = { usable: undefined, reason: "you may not open /dev/kvm", fix: "usermod -aG kvm" };

  it("is an error only where the file insists on it", () => {
    expect(checkKvm(needs, { kvm: broken })).toMatchObject([{ level: "warning" }]);
    expect(checkKvm({ ...needs, hypervisor: "kvm" }, { kvm: broken })).toMatchObject([{ level: "error" }]);
    expect(checkKvm({ ...needs, hypervisor: "qemu" }, { kvm: broken })).toEqual([]);
  });

  it("is unknown, not passed, where it could not be tried", () => {
    expect(checkKvm(needs, { kvm: untried })).toMatchObject([{ level: "unknown" }]);
    expect(checkKvm({ ...needs, hypervisor: "kvm" }, { kvm: untried })).toMatchObject([{ level: "unknown" }]);
  });

  it("comes with the fix for its cause", () => {
    expect(checkKvm(needs, { kvm: untried })[0]?.fix).toBe("usermod -aG kvm");
    expect(checkKvm(needs, { kvm: broken })[0]?.fix).toContain("firmware");
    expect(checkKvm({ ...needs, hypervisor: "kvm" }, { kvm: untried })[0]?.fix).toBe(
      "usermod -aG kvm; or set `hypervisor: auto`",
    );
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
