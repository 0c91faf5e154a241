import { z } from "zod";
import { cidr, cidrAddress, hostName, interfaceName, ipv4, key, mac, whole } from "./keys.ts";

/** Services of a cluster that machines of another one can be given, by their name in the network policy. */
export const PEER_SERVICES = ["ssh", "slurmctld", "slurmdbd", "srun", "slurmd", "jobs"] as const;

const peerSchema = z.strictObject({
  subnet: key(cidr(), {
    text: "Addresses of the peer's machines, /8 to /32. Host bits are cleared with a note.",
    effect: "live",
    example: "10.60.0.0/24",
  }),
  services: key(z.array(z.enum(PEER_SERVICES)).default([]), {
    text:
      "What the peer's machines reach in this cluster beside SSH of the controller, by the names in docs/network.md; ssh is that of the " +
      "compute nodes. Not on a network of mode nat, into which libvirt lets nobody in.",
    effect: "live",
    example: ["jobs"],
  }),
});

/** `network` of a cluster. */
export const networkSchema = z.strictObject({
  mode: key(z.enum(["nat", "routed", "isolated", "existing"]).default("nat"), {
    text:
      "nat: own network behind the host's address. routed: own network, forwarded without translation (the site needs a route). " +
      "isolated: own network without a way out. existing: a host bridge or libvirt network of the site, used and never changed.",
    effect: "replace",
  }),
  subnet: key(cidr(), {
    text: "Network of the cluster. Host bits are cleared with a note. It must not overlap any network of the host (mode existing: it is that network).",
    effect: "replace",
    example: "10.50.0.0/24",
  }),
  bridge: key(interfaceName().optional(), {
    text: "Name of the bridge on the host: created, and unique there; in mode existing the host bridge to use.",
    defaultText: "required, except in mode existing with libvirt_network",
    effect: "replace",
    example: "hlab-dev0",
  }),
  libvirt_network: key(z.string().min(1).max(63).optional(), {
    text: "Only in mode existing: the libvirt network to use instead of a bridge.",
    effect: "replace",
    example: "default",
  }),
  gateway_ip: key(ipv4().optional(), {
    text: "Address of the host in the network (mode existing: of the site's router), gateway of the machines.",
    defaultText: "the first host address of the subnet",
    effect: "replace",
    example: "10.50.0.1",
  }),
  dhcp_start: key(ipv4().optional(), {
    text: "First address of the range from which machines with ip DHCP get theirs.",
    defaultText: "the tenth address after the subnet's own",
    effect: "replace",
  }),
  dhcp_end: key(ipv4().optional(), {
    text: "Last address of that range.",
    defaultText: "the last host address of the subnet",
    effect: "live",
  }),
  dns_servers: key(z.array(ipv4()).min(1).optional(), {
    text:
      "Servers for names outside the cluster. The gateway alone means the resolvers that the host itself uses; " +
      "the gateway among others is left out, because libvirt asks either the host's resolvers or the listed ones.",
    defaultText: "gateway, 8.8.8.8, 1.1.1.1",
    effect: "live",
    example: ["10.50.0.1"],
  }),
  dns_mode: key(z.enum(["isolated"]).default("isolated"), {
    text: "isolated: the cluster resolves its own names.",
    effect: "live",
  }),
  egress: key(z.enum(["open", "registries", "none"]).default("open"), {
    text:
      "What machines may open connections to outside their cluster. open: everything. registries: HTTP and HTTPS (TCP 80 and 443) to any " +
      "address. none: nothing but names and time of the gateway and the homes' server. Each machine's own firewall keeps it: " +
      "it holds users and their jobs, not administrators.",
    effect: "live",
  }),
  peers: key(z.array(peerSchema).default([]), {
    text:
      "Other clusters. Machines of this cluster may open connections to a peer whatever egress says, and the peer's machines reach the " +
      "services named for them. Both clusters declare each other for both directions.",
    effect: "live",
  }),
  static_leases: key(z.record(z.string(), ipv4()).default({}), {
    text: "Address by machine: full name, compute-NN or controller. Wins over DHCP; must equal a static address given elsewhere.",
    effect: "replace",
    example: { "compute-02": "10.50.0.42" },
  }),
  vm_macs: key(z.record(z.string(), mac()).default({}), {
    text: "MAC address by machine, instead of the one derived from its name.",
    effect: "restart",
    example: { controller: "02:1f:00:aa:bb:cc" },
  }),
});

const lanSchema = z.strictObject({
  bridge: key(interfaceName(), {
    text: "Bridge of the host in the users' network. It must be there; it is used and never changed.",
    effect: "restart",
    example: "br0",
  }),
  address: key(cidrAddress().optional(), {
    text:
      "Address of the login machine there, with the prefix of that network. The host lets the machine use no other one, and ssh's configuration " +
      "names it. Without it the network's DHCP gives one, which hyperlab does not know.",
    defaultText: "from DHCP",
    effect: "live",
    example: "192.168.1.50/24",
  }),
  gateway: key(ipv4().optional(), {
    text: "Only with address: router for the answers to users beyond that network. Nothing else goes there.",
    defaultText: "none with address, so that only that network gets answers; else from DHCP",
    effect: "live",
    example: "192.168.1.1",
  }),
});

const forwardSchema = z.strictObject({
  port: key(whole(1, 65_535), {
    text:
      "TCP port of the host, 1 to 65535. From 1024 on, because services of the host itself use those below: there the preview warns. 22 is the host's own SSH: " +
      "refused without listen.",
    effect: "none",
    example: 2222,
  }),
  listen: key(ipv4().optional(), {
    text: "Address of the host at which the port is open.",
    defaultText: "all addresses, of IPv4 and IPv6",
    effect: "none",
    example: "192.0.2.10",
  }),
  host: key(hostName().optional(), {
    text: "Name or address by which users reach the host, for ssh's configuration.",
    defaultText: "listen; else the host of host.uri; else localhost, with a note",
    effect: "none",
    example: "login.example.org",
  }),
});

/** `access` of a cluster. */
export const accessSchema = z.union([
  z.strictObject({
    lan: key(lanSchema, {
      text: "The login machine has a second network interface, at which it answers SSH and nothing else. Not with a cloud image of your own.",
      effect: "live",
    }),
  }),
  z.strictObject({
    forward: key(forwardSchema, {
      text: "A port of the host leads to SSH of the login machine. The host's administrator opens it with hyperlab host prepare --apply; hyperlab up changes nothing there.",
      effect: "none",
    }),
  }),
  z.literal("proxy-jump"),
]);
