import { describe, expect, it } from "vitest";
import type { HpcConfig } from "../../../../config/index.ts";
import { controllerDocument } from "../../../../planning/index.ts";
import { brief, labText, refused } from "../../config/lab-text.ts";
import { config, goodFacts, hpcOf, planned } from "../lab.ts";
import { found, known } from "./parts.ts";

const path = "clusters.hpc.access.lan";
const access = (text: string) => ({ hpc: `access: ${text}` });
const lan = (more = "") => access(`{ lan: { bridge: br0${more} } }`);
const host = { interfaces: known([{ name: "br0", owned: false }]) };
const FIXED = ", address: 192.168.1.50/24, gateway: 192.168.1.1";

const plan = (parts: Parameters<typeof config>[0], more: object = {}) => {
  const lab = config(parts);
  return planned(lab, goodFacts(lab, { ...host, ...more }));
};

describe("access", () => {
  it("proxy-jump is the default: one interface, no other address", () => {
    expect(plan(access("proxy-jump"))).toEqual(plan({}));
    expect(plan({}).controller.domain.interfaces).toHaveLength(1);
    expect(plan({}).ssh).toEqual({ user: "hyperlab" });
  });

  it("lan with an address: a second interface of the controller alone, kept to the address, for people's ssh", () => {
    const far = `${lan(FIXED).hpc}\nhost: { uri: qemu+ssh://root@metal/system }`;
    const { controller, computeNodes, ssh } = plan({ hpc: far });
    expect(controller.domain.interfaces.slice(1)).toEqual([
      { bridge: "br0", mac: "0a:68:6c:b3:d6:be", filter: "clean-traffic", filterAddress: "192.168.1.50" },
    ]);
    expect(computeNodes.map((node) => node.domain.interfaces.length)).toEqual([1, 1]);
    // The stack itself goes on by the way that needs no network of the site.
    expect(ssh).toEqual({ user: "hyperlab", login: "192.168.1.50", proxyJump: "root@metal" });
  });

  it("lan by DHCP: the MAC is kept, and told, because the address is not known", () => {
    const has = { networkFilters: known(["clean-traffic", "no-mac-spoofing"]) };
    const { controller, ssh } = plan(lan(), has);
    const [, login] = controller.domain.interfaces;
    expect(login).toEqual({ bridge: "br0", mac: "0a:68:6c:b3:d6:be", filter: "no-mac-spoofing" });
    expect(ssh).toEqual({ user: "hyperlab" });
    expect(found(lan(), host)).toEqual([`note login-address-unknown ${path}`]);
  });

  it("lan has a MAC that other labs in the users' network do not have, and that no other change moves", () => {
    const lab = config(lan(FIXED));
    const hpc = hpcOf(lab);
    const mac = (name: string, changed: Partial<HpcConfig> = {}) => {
      const other = { ...lab, name, hpc: { ...hpc, ...changed } };
      return planned(other, goodFacts(other, host)).controller.domain.interfaces[1]?.mac;
    };
    const subnet = { network: { ...hpc.network, subnet: "10.50.0.0/23" } };
    const macs = [mac("test"), mac("other"), mac("test", { name: "lab2" }), mac("test", subnet)];
    expect(new Set(macs).size).toBe(4);
    const address = { access: { kind: "lan" as const, bridge: "br0" } };
    for (const same of [address, { stateDiskGb: 33 }, { users: [] }]) {
      expect(mac("test", same)).toBe(mac("test"));
    }
  });

  it("lan changes nothing of the machine's own routes: the interface's are in a table of their own", () => {
    const text = (more: string) => controllerDocument(plan(lan(more)), () => "k").network.login ?? "";
    expect(text(FIXED)).toMatchInlineSnapshot(`
      "[Match]
      Name=login0

      [Link]
      RequiredForOnline=no

      [Network]
      LinkLocalAddressing=no
      IPv6AcceptRA=no
      LLMNR=no
      MulticastDNS=no
      IPv4ReversePathFilter=no

      [RoutingPolicyRule]
      FirewallMark=27751
      Priority=6822
      Table=6822

      [Address]
      Address=192.168.1.50/24
      AddPrefixRoute=no

      [Route]
      Destination=192.168.1.0/24
      Scope=link
      Table=6822

      [Route]
      Gateway=192.168.1.1
      GatewayOnLink=yes
      Table=6822
      "
    `);
    expect(text("")).toMatchInlineSnapshot(`
      "[Match]
      Name=login0

      [Link]
      RequiredForOnline=no

      [Network]
      LinkLocalAddressing=no
      IPv6AcceptRA=no
      LLMNR=no
      MulticastDNS=no
      IPv4ReversePathFilter=no
      DHCP=ipv4

      [RoutingPolicyRule]
      FirewallMark=27751
      Priority=6822
      Table=6822

      [DHCPv4]
      RouteTable=6822
      ClientIdentifier=mac
      UseDNS=no
      UseNTP=no
      UseHostname=no
      UseDomains=no
      "
    `);
  });

  it("lan asks for guest software that knows it", () => {
    const format = (parts: Parameters<typeof config>[0]) => controllerDocument(plan(parts), () => "k").format;
    expect([format({}), format(lan(FIXED))]).toEqual([1, 2]);
  });

  it.each<[string, string, string]>([
    [
      "on the cluster's own bridge",
      "{ lan: { bridge: hlab-test0 } }",
      `error access-same-bridge ${path}.bridge`,
    ],
    ["on no bridge", "{ lan: { bridge: br7 } }", `error bridge-missing ${path}.bridge`],
    ["in the cluster's subnet", lanAt("10.50.0.200/24"), `error subnet-overlap ${path}.address`],
    ["at broadcast", lanAt("192.168.1.255/24"), `error address-outside-subnet ${path}.address`],
    [
      "through a router elsewhere",
      lanAt("192.168.1.50/24, gateway: 192.168.2.1"),
      `error address-outside-subnet ${path}.gateway`,
    ],
    [
      "through itself",
      lanAt("192.168.1.50/24, gateway: 192.168.1.50"),
      `error address-outside-subnet ${path}.gateway`,
    ],
  ])("lan %s is refused", (_, text, expected) => {
    expect(found(access(text), host)).toContain(expected);
  });

  it("lan is refused with a cloud image, which would take routes from there", () => {
    const parts = { hpc: `${lan(FIXED).hpc}\nimage: { path: /srv/image.qcow2 }` };
    expect(found(parts, host)).toContain(`error access-cloud-image ${path}`);
  });

  it("lan is compared with the host as far as it is known", () => {
    expect(found(lan(FIXED), { interfaces: { known: false, why: "it is far" } })).toContain(
      `unknown bridge-unknown ${path}.bridge`,
    );
    const networks = known([
      { name: "br0", kind: "interface" as const, subnet: "192.168.7.0/24", owned: false },
    ]);
    expect(found(lan(FIXED), { ...host, networks })).toEqual([
      `warning existing-subnet-differs ${path}.address`,
    ]);
  });

  it.each([
    ["{ lan: { bridge: br0, gateway: 192.168.1.1 } }", /access\.lan\.gateway: needs address beside it/],
    ["{ lan: { bridge: br0, address: 192.168.1.50 } }", /access\.lan\.address: .*with its prefix/],
    ["tunnel", /access: is "tunnel"/],
  ])("%s is refused in the file", (text, reason) => {
    expect(brief(refused(labText(access(text)))).join("\n")).toMatch(reason);
  });
});

function lanAt(address: string): string {
  return `{ lan: { bridge: br0, address: ${address} } }`;
}
