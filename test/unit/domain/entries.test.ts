import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  additions,
  hasEntry,
  hasPartOf,
  type NetworkEntry,
  removals,
  repairs,
  staleEntries,
} from "../../../providers/libvirt/resources/domain/entries.ts";
import type { LiveChange } from "../../../providers/libvirt/resources/network/changes.ts";
import { parseNetwork } from "../../../providers/libvirt/resources/network/xml.ts";
import {
  at,
  attribute,
  childrenOf,
  element,
  parseXml,
  renderXml,
  type XmlElement,
} from "../../../providers/libvirt/xml/index.ts";

/** What libvirt does with such changes, as far as these entries need it. */
class Network {
  hosts: XmlElement[] = [];
  records: XmlElement[] = [];

  get facts() {
    return parseNetwork(
      renderXml(
        element("network", {}, [
          element("name", {}, "lab"),
          element("dns", {}, this.records),
          element("ip", { address: "10.0.0.1", prefix: 24 }, [element("dhcp", {}, this.hosts)]),
        ]),
      ),
    );
  }

  apply(changes: readonly LiveChange[]): this {
    for (const change of changes) {
      const node = parseXml(change.xml);
      const dhcp = change.section === "ip-dhcp-host";
      const key = dhcp ? "mac" : "ip";
      const list = dhcp ? this.hosts : this.records;
      const others = list.filter((present) => attribute(present, key) !== attribute(node, key));
      if (change.command === "add-last" && others.length < list.length) throw new Error("exists already");
      if (change.command !== "add-last" && others.length === list.length) throw new Error("not there");
      const next = change.command === "delete" ? others : [...others, node];
      if (dhcp) this.hosts = next;
      else this.records = next;
    }
    return this;
  }

  put(entry: NetworkEntry): this {
    const changes = repairs(this.facts, entry, []);
    if (typeof changes === "string") throw new Error(changes);
    return this.apply(changes);
  }
}

const entry = (over: Partial<NetworkEntry> = {}): NetworkEntry => ({
  network: "lab",
  mac: "52:54:00:00:00:01",
  address: "10.0.0.11",
  hostname: "node",
  ...over,
});

const entries = fc
  .uniqueArray(fc.integer({ min: 2, max: 200 }), { minLength: 1, maxLength: 6 })
  .map((hosts) =>
    hosts.map((host) =>
      entry({
        mac: `52:54:00:00:00:${host.toString(16).padStart(2, "0")}`,
        address: `10.0.0.${host}`,
        hostname: `node-${host}`,
      }),
    ),
  );

describe("entries", () => {
  it("are there after they were added, gone after they were removed, and touch nobody else's", () => {
    fc.assert(
      fc.property(entries, (list) => {
        const network = new Network();
        for (const one of list) network.put(one);
        for (const one of list) {
          expect(hasEntry(network.facts, one)).toBe(true);
          expect(repairs(network.facts, one, [])).toEqual([]);
        }
        const [first, ...rest] = list;
        if (first === undefined) return;
        network.apply(removals(network.facts, first));
        expect(hasPartOf(network.facts, first)).toBe(false);
        expect(removals(network.facts, first)).toEqual([]);
        for (const one of rest) expect(hasEntry(network.facts, one)).toBe(true);
      }),
    );
  });

  it("are repaired from any half of them", () => {
    const whole = additions(entry());
    for (const half of whole) {
      const network = new Network().apply([half]);
      expect(hasEntry(network.facts, entry())).toBe(false);
      expect(hasPartOf(network.facts, entry())).toBe(true);
      expect(hasEntry(network.put(entry()).facts, entry())).toBe(true);
    }
  });

  it("leave names alone that others gave to the address", () => {
    const network = new Network().put(entry());
    network.records = [
      element("host", { ip: "10.0.0.11" }, [
        element("hostname", {}, "node"),
        element("hostname", {}, "alias"),
      ]),
    ];
    network.apply(removals(network.facts, entry()));
    expect(network.facts.dnsHosts).toEqual([{ address: "10.0.0.11", hostnames: ["alias"] }]);
    network.put(entry());
    expect(network.facts.dnsHosts).toEqual([{ address: "10.0.0.11", hostnames: ["alias", "node"] }]);
  });

  it("take neither an address nor a MAC from another machine", () => {
    const network = new Network().put(entry());
    expect(repairs(network.facts, entry({ mac: "52:54:00:00:00:02", hostname: "b" }), [])).toBe(
      "10.0.0.11 is reserved for node",
    );
    expect(repairs(network.facts, entry({ address: "10.0.0.12", hostname: "b" }), [])).toBe(
      "the MAC 52:54:00:00:00:01 is reserved for node",
    );
    const renamed = repairs(network.facts, entry({ hostname: "b" }), [entry()]);
    expect(typeof renamed).not.toBe("string");
  });

  it("that changed are the stale ones", () => {
    expect(staleEntries([entry()], [entry()])).toEqual([]);
    expect(staleEntries([entry()], [entry({ hostname: "b" })])).toEqual([entry()]);
    expect(childrenOf(at(parseXml("<a/>")), "b")).toEqual([]);
  });
});
