import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Forward,
  forwardUnits,
  meet,
  presentForwards,
  sameForward,
} from "../../../../planning/forward-units.ts";
import { controllerDocument } from "../../../../planning/index.ts";
import { brief, labText, refused } from "../../config/lab-text.ts";
import { config, goodFacts, planned } from "../lab.ts";
import { found, known, type Parts } from "./parts.ts";

const path = "clusters.hpc.access.forward";
const forward = (text: string, more = "") => ({ hpc: `access: { forward: { ${text} } }\n${more}` });
const PORT = "port: 2222, host: login.example.org";
const own = { cluster: "lab", port: 2222, target: "10.50.0.2" };
const plan = (parts: Parts) => {
  const lab = config(parts);
  return planned(lab, goodFacts(lab));
};

describe("access: forward", () => {
  it("changes no machine and nothing of what the controller is told", () => {
    const [with_, without] = [plan(forward(PORT)), plan({})];
    expect({ ...with_, access: without.access, ssh: without.ssh }).toEqual(without);
    const document = (parts: Parts) => controllerDocument(plan(parts), () => "k");
    expect(document(forward(PORT))).toEqual(document({}));
  });

  it.each<[string, string, string]>([
    ["the declared name", "host: login.example.org, listen: 192.0.2.10", "login.example.org"],
    ["the address at which it listens", "listen: 192.0.2.10", "192.0.2.10"],
    ["the host as hyperlab reaches it", "listen: 0.0.0.0", "metal"],
    ["the host as hyperlab reaches it", "", "metal"],
  ])("leads people to %s, and the stack as before", (_, text, login) => {
    const remote = "host: { uri: 'qemu+ssh://root@metal:2200/system' }";
    const { ssh } = plan(forward(`port: 2222${text === "" ? "" : `, ${text}`}`, remote));
    expect(ssh).toEqual({ user: "hyperlab", proxyJump: "root@metal:2200", login, loginPort: 2222 });
  });

  it("says that ssh's configuration is right on this host only, where nobody said the host's name", () => {
    const host = { forwards: known([own]) };
    expect(found(forward("port: 2222"), host)).toEqual([`note login-host-unknown ${path}.host`]);
    expect(found(forward(PORT), host)).toEqual([]);
  });

  it.each<[string, string, string[]]>([
    ["22", "port: 22", [`error forward-port-host-ssh ${path}.port`]],
    ["22 at an address", "port: 22, listen: 127.0.0.1", [`warning forward-port-system ${path}.port`]],
    ["443", "port: 443", [`warning forward-port-system ${path}.port`]],
    ["1024", "port: 1024", []],
  ])("port %s", (_, text, expected) => {
    const findings = found(forward(`${text}, host: h`)).filter((line) => line.includes("forward-port"));
    expect(findings).toEqual(expected);
  });

  it("listens at an address that the host has", () => {
    const networks = known([
      { name: "eth0", kind: "interface" as const, subnet: "192.0.2.10/24", owned: false },
    ]);
    const at = (listen: string) =>
      found(forward(`${PORT}, listen: ${listen}`), { networks }).filter((line) => line.includes("address"));
    expect(at("192.0.2.10")).toEqual([]);
    expect(at("127.0.0.1")).toEqual([]);
    expect(at("192.0.2.11")).toEqual([`warning forward-address-missing ${path}.listen`]);
  });

  it.each<[string, Parameters<typeof found>[1], string[]]>([
    ["that has it", { forwards: known([own]) }, []],
    ["that has not", {}, [`warning forward-not-on-host ${path}`]],
    [
      "with another port",
      { forwards: known([{ ...own, port: 2223 }]) },
      [`warning forward-not-on-host ${path}`],
    ],
    [
      "with another login machine",
      { forwards: known([{ ...own, target: "10.50.0.3" }]) },
      [`warning forward-not-on-host ${path}`],
    ],
    [
      "whose port leads to another cluster",
      { forwards: known([{ ...own, cluster: "other" }]) },
      [`error forward-port-taken ${path}.port`],
    ],
    [
      "whose port leads to another cluster at one address",
      { forwards: known([own, { ...own, cluster: "other", listen: "192.0.2.1" }]) },
      [`error forward-port-taken ${path}.port`],
    ],
    [
      "that nobody can see",
      { forwards: { known: false, why: "it is far" } },
      [`unknown forward-unknown ${path}`],
    ],
  ])("is compared with a host %s", (_, host, expected) => {
    expect(found(forward(PORT), host)).toEqual(expected);
  });

  it("is missed on the host when it is declared no more, and only there", () => {
    expect(found({}, { forwards: known([own]) })).toEqual(["warning forward-stale clusters.hpc.access"]);
    expect(found({}, { forwards: known([{ ...own, cluster: "other" }]) })).toEqual([]);
    expect(found({}, { forwards: { known: false, why: "it is far" } })).toEqual([]);
  });

  it.each([
    ["port: 0", /forward\.port: .*1/],
    ["port: 65536", /forward\.port: .*65535/],
    ["listen: 192.0.2.1", /forward\.port/],
    ["port: 2222, listen: here", /forward\.listen: .*IPv4/],
    ["port: 2222, host: 'a b'", /forward\.host: .*host name/],
  ])("{ %s } is refused in the file", (text, reason) => {
    expect(brief(refused(labText(forward(text)))).join("\n")).toMatch(reason);
  });
});

const octet = fc.nat(255);
const address = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join("."));
const forwards = fc
  .record({
    cluster: fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/),
    port: fc.integer({ min: 1, max: 65_535 }),
    target: address,
    listen: fc.option(address, { nil: undefined }),
  })
  .map(({ listen, ...rest }): Forward => (listen === undefined ? rest : { ...rest, listen }));

describe("the units of a forward", () => {
  it("say what they were made of", () => {
    const lists = fc.uniqueArray(forwards, { selector: ({ cluster }) => cluster, maxLength: 4 });
    fc.assert(
      fc.property(lists, (list) => {
        const files = list.flatMap((each) => forwardUnits(each, "/lib/systemd/systemd-socket-proxyd"));
        const present = presentForwards(new Map(files.map(({ path, text }) => [path, text])));
        const byName = [...list].sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
        expect(present).toEqual(byName);
        for (const [index, each] of present.entries()) {
          expect(sameForward(each, byName[index] ?? each)).toBe(true);
        }
      }),
    );
  });

  it("that somebody emptied are there, and are not as they should be", () => {
    const files = forwardUnits({ cluster: "lab", port: 2222, target: "10.50.0.2" });
    const present = presentForwards(new Map(files.map(({ path }) => [path, ""])));
    expect(present).toEqual([{ cluster: "lab" }]);
    expect(presentForwards(new Map([["/etc/systemd/system/other.socket", "ListenStream=1"]]))).toEqual([]);
  });

  it("meet at one port, unless each has its own address", () => {
    const at = (listen?: string, port = 2222) => ({
      cluster: "lab",
      port,
      ...(listen === undefined ? {} : { listen }),
    });
    expect(meet(at(), at())).toBe(true);
    expect(meet(at(), at("192.0.2.1"))).toBe(true);
    expect(meet(at("0.0.0.0"), at("192.0.2.1"))).toBe(true);
    expect(meet(at("192.0.2.1"), at("192.0.2.2"))).toBe(false);
    expect(meet(at(), at(undefined, 2223))).toBe(false);
  });
});
