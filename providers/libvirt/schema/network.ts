import type { NetworkInputs } from "../resources/inputs.ts";
import type { ConditionalEffect, FieldTable } from "./table.ts";

/** Changes for which libvirt must stop and start the network; it stays the same network, with its guests' entries. */
const restart: readonly ConditionalEffect[] = [
  {
    when: "otherwise",
    effect: "restart",
    because: "the network is stopped and started; refused at preview while running guests are attached",
  },
];

/** Every input of a network. */
export const networkTable: FieldTable<NetworkInputs> = {
  name: {
    type: "string",
    required: true,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
    description: "Name of the network on the host.",
    example: "lab",
    effect: "replace",
  },
  mode: {
    type: "string",
    required: true,
    values: {
      nat: "Guests reach the outside through the host's address.",
      route: "The host routes; the outside must know the way back.",
      isolated: "Guests reach each other and the host only.",
      bridge: "Guests sit on an existing bridge of the host, which is not changed.",
    },
    description: "How the network reaches the outside.",
    effect: restart,
  },
  bridge: {
    type: "string",
    required: true,
    pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$",
    description:
      "Bridge on the host: created for nat, route and isolated, existing for `bridge`. At most 15 characters.",
    example: "lab0",
    effect: restart,
  },
  domain: {
    type: "string",
    description: "DNS domain of the network.",
    example: "hpc.local",
    effect: restart,
  },
  address: {
    type: "string",
    description:
      "Address of the host in the network with prefix. Required, except for `bridge`, where it is not allowed.",
    example: "10.50.0.1/24",
    effect: restart,
  },
  dhcpRange: {
    type: "object",
    typeName: "DhcpRange",
    description: "Addresses that DHCP gives to guests without a reservation. Without it there is no DHCP.",
    effect: [
      {
        when: "set",
        effect: "restart",
        because: "DHCP is switched on, for which the network is stopped and started",
      },
      {
        when: "unset",
        effect: "restart",
        because: "DHCP is switched off, for which the network is stopped and started",
      },
      { when: "otherwise", effect: "live" },
    ],
    fields: {
      start: {
        type: "string",
        required: true,
        description: "First address.",
        example: "10.50.0.100",
        effect: "live",
      },
      end: {
        type: "string",
        required: true,
        description: "Last address.",
        example: "10.50.0.199",
        effect: "live",
      },
    },
  },
  dnsForwarders: {
    type: "array",
    description: "Addresses of the DNS servers that answer for everything else.",
    defaultText: "the host's own resolvers",
    effect: restart,
    items: { type: "string" },
  },
  dnsHosts: {
    type: "array",
    description: "Further DNS records that belong to the network and not to a domain.",
    effect: "live",
    items: {
      type: "object",
      typeName: "DnsHost",
      key: "address",
      fields: {
        address: {
          type: "string",
          required: true,
          description: "Address.",
          example: "10.50.0.2",
          effect: "live",
        },
        hostnames: {
          type: "array",
          required: true,
          description: "Names of the address.",
          effect: "live",
          items: { type: "string" },
        },
      },
    },
  },
  autostart: {
    type: "boolean",
    default: true,
    description: "Start the network when the host boots.",
    effect: "live",
  },
};
