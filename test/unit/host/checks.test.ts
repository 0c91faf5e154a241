import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkHostState } from "../../../tools/host/checks/index.ts";
import { type HostNeeds, type HostState, unknownSystem } from "../../../tools/host/facts.ts";
import { known, unknown } from "../../../tools/preflight/facts.ts";
import { healthy, healthyLibvirt, needs, units } from "./facts.ts";

const ids = [
  "guests-service",
  "guests-on-shutdown",
  "guests-timeout",
  "guests-parallel",
  "guests-on-boot",
  "guests-stop-timeout",
  "poweroff-timeout",
  "libvirtd-order",
  "autostart",
  "kvm",
  "firewall",
  "forward",
  "pool-space",
  "memory",
  "clock",
];
const check = (state: HostState, wanted: HostNeeds = needs) =>
  Object.fromEntries(
    checkHostState(state, wanted)
      .filter((finding) => finding.state !== "passed")
      .map(({ id, state: found }) => [id, found]),
  );
const settings = (text: string) => ({
  guestsFile: known({ path: "/etc/default/libvirt-guests", text }),
});
const unit = (name: string, properties: Readonly<Record<string, string>>) => ({
  units: known(units({ [name]: properties })),
});

describe("a host that is set up well", () => {
  it("passes every check, each with its own id", () => {
    const findings = checkHostState(healthy(), needs);
    expect(findings.filter(({ state }) => state !== "passed")).toEqual([]);
    expect(findings.map(({ id }) => id)).toEqual(ids);
  });
});

describe("a host of which nothing is known", () => {
  it("passes nothing that has to be seen there", () => {
    const state: HostState = {
      system: unknownSystem("no route to host"),
      libvirt: unknown("no route to host"),
    };
    const findings = checkHostState(state, needs);
    expect(findings.filter(({ state: found }) => found !== "unknown")).toEqual([]);
    for (const { what } of findings) expect(what).toContain("no route to host");
  });
});

describe("the end of a host", () => {
  it.each([
    [
      "the service is off",
      unit("libvirt-guests.service", { UnitFileState: "disabled" }),
      { "guests-service": "error" },
    ],
    [
      "the service does not run",
      unit("libvirt-guests.service", { ActiveState: "inactive" }),
      { "guests-service": "error" },
    ],
    ["machines are saved", settings("ON_SHUTDOWN=suspend\n"), { "guests-on-shutdown": "warning" }],
    [
      "too short for jobs",
      settings("ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=3000\nPARALLEL_SHUTDOWN=3"),
      { "guests-timeout": "warning" },
    ],
    [
      "too short for the shutdown",
      settings("ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=60\nPARALLEL_SHUTDOWN=3"),
      { "guests-timeout": "error" },
    ],
    [
      "no time limit, one after another",
      settings("ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=0\nPARALLEL_SHUTDOWN=0"),
      { "guests-parallel": "warning" },
    ],
    [
      "starts what ran",
      settings("ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=0\nPARALLEL_SHUTDOWN=9\nON_BOOT=start"),
      { "guests-on-boot": "warning" },
    ],
    [
      "no number",
      settings("ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=$WAIT\nPARALLEL_SHUTDOWN=9"),
      { "guests-timeout": "unknown" },
    ],
    [
      "systemd ends the service",
      unit("libvirt-guests.service", { TimeoutStopUSec: "1min 30s" }),
      { "guests-stop-timeout": "error" },
    ],
    [
      "systemd forces the end",
      unit("reboot.target", { JobTimeoutUSec: "30min" }),
      { "poweroff-timeout": "warning" },
    ],
    [
      "libvirt stops first",
      unit("libvirt-guests.service", { After: "network.target" }),
      { "libvirtd-order": "error" },
    ],
  ])("%s", (_name, system, found) => {
    expect(check(healthy(system))).toEqual(found);
  });

  it("asks for nothing where there are no machines", () => {
    const short = settings("ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=1");
    expect(check(healthy(short, { domains: [] }), { ...needs, machines: [] })).toEqual({});
  });

  it("is judged by the longest need: more time never makes it worse", () => {
    const rank = { passed: 0, unknown: 1, warning: 2, error: 3 };
    const judged = (limit: number, wanted: HostNeeds) => {
      const text = `ON_SHUTDOWN=shutdown\nSHUTDOWN_TIMEOUT=${limit}\nPARALLEL_SHUTDOWN=99`;
      const found = checkHostState(healthy(settings(text)), wanted).find(({ id }) => id === "guests-timeout");
      return rank[found?.state ?? "unknown"];
    };
    const times = fc.array(fc.record({ drainSeconds: fc.nat(9000), stopSeconds: fc.nat(900) }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 10_000 }), fc.nat(5000), (waits, limit, more) => {
        const [machine] = needs.machines;
        const wanted: HostNeeds = {
          ...needs,
          machines: machine === undefined ? [] : waits.map((wait) => ({ ...machine, ...wait })),
        };
        expect(judged(limit + more, wanted)).toBeLessThanOrEqual(judged(limit, wanted));
        const enough = waits.every(({ drainSeconds, stopSeconds }) => drainSeconds + stopSeconds <= limit);
        expect(judged(limit, wanted) === rank.passed).toBe(enough);
      }),
    );
  });
});

describe("the machines' needs", () => {
  const domains = healthyLibvirt().domains;

  it.each([
    [
      "no autostart",
      healthy({}, { domains: domains.map((domain) => ({ ...domain, autostart: false })) }),
      { autostart: "warning" },
    ],
    [
      "evacuated",
      healthy({}, { domains: domains.map((domain) => ({ ...domain, autostart: false, evacuated: true })) }),
      { autostart: "warning" },
    ],
    ["no KVM", healthy({ kvm: { usable: false, reason: "there is no /dev/kvm" } }), { kvm: "error" }],
    ["KVM not tried", healthy({ kvm: { usable: undefined, reason: "not local" } }), { kvm: "unknown" }],
    [
      "little space",
      healthy({}, { pools: [{ name: "lab", freeMiB: 9000, growthMiB: 30_000 }] }),
      { "pool-space": "warning" },
    ],
    [
      "no space",
      healthy({}, { pools: [{ name: "lab", freeMiB: 100, growthMiB: 30_000 }] }),
      { "pool-space": "error" },
    ],
    [
      "full swap in reserve",
      healthy({ memory: known({ totalMiB: 4000, swapMiB: 8000 }) }),
      { memory: "warning" },
    ],
    ["no memory", healthy({ memory: known({ totalMiB: 4000, swapMiB: 0 }) }), { memory: "error" }],
    ["wrong clock", healthy({ clockSynchronised: known(false) }), { clock: "warning" }],
    [
      "Docker's policy",
      healthy({
        docker: true,
        iptables: known({
          forward: ["-P FORWARD DROP", "-A FORWARD -j DOCKER-USER"],
          input: ["-P INPUT ACCEPT"],
        }),
      }),
      { firewall: "warning" },
    ],
    [
      "Docker's policy with libvirt's rules",
      healthy({
        docker: true,
        iptables: known({
          forward: ["-P FORWARD DROP", "-A FORWARD -j LIBVIRT_FWX"],
          input: ["-P INPUT ACCEPT"],
        }),
      }),
      {},
    ],
    [
      "firewalld without libvirt's zone",
      healthy({ firewalld: { running: true, hasLibvirtZone: false } }),
      { firewall: "warning" },
    ],
    [
      "rules that nobody may read",
      healthy({ iptables: unknown("only root"), nftables: unknown("only root") }),
      { firewall: "unknown" },
    ],
  ])("%s", (_name, state, found) => {
    expect(check(state)).toEqual(found);
  });

  it("see a chain of nftables that drops, unless it names the bridge", () => {
    const chain = (rule: string) =>
      known(
        `table inet site {\nchain fwd {\ntype filter hook forward priority 0; policy drop;\n${rule}\n}\n}\n`,
      );
    const of = (rule: string) => checkHostState(healthy({ nftables: chain(rule) }), needs);
    const [found] = of('iifname "eth0" accept').filter(({ id }) => id === "firewall");
    expect(found?.state).toBe("warning");
    expect(found?.remedy).toContain('nft insert rule inet site fwd iifname "hlab0" accept');
    expect(check(healthy({ nftables: chain('iifname "hlab0" accept') }))).toEqual({});
    // Where it leads is not followed.
    expect(check(healthy({ nftables: chain("jump site_rules") }))).toEqual({ firewall: "unknown" });
  });

  it("are told with a reason and a remedy wherever something did not pass", () => {
    const states = fc.record({
      kvm: fc.constantFrom({ usable: false, reason: "broken" }, { usable: undefined, reason: "?" }),
      memory: fc.constantFrom(known({ totalMiB: 1, swapMiB: 0 }), unknown("?")),
      clockSynchronised: fc.constantFrom(known(true), known(false), unknown("?")),
      units: fc.constantFrom(known(units()), known(new Map()), unknown("?")),
      iptables: fc.constantFrom(unknown("?"), known({ forward: ["-P FORWARD DROP"], input: [] })),
    });
    fc.assert(
      fc.property(states, (system) => {
        for (const { id, remedy, state, what, why } of checkHostState(healthy(system), needs)) {
          expect(what, id).not.toBe("");
          expect([why === "", remedy === ""], id).toEqual([state === "passed", state === "passed"]);
        }
      }),
    );
  });
});
