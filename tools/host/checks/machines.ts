import { checkForwarding } from "../../preflight/checks.ts";
import type { HostNeeds, HostState, LibvirtFacts } from "../facts.ts";
import { parseDroppingChains } from "../parse.ts";
import { type HostFinding, passed } from "./finding.ts";

/** What the machines need to start with their host, to run fast, and to reach one another. */
export function checkMachines(state: HostState, needs: HostNeeds): HostFinding[] {
  return [checkAutostart(state, needs), checkKvm(state, needs), ...checkFirewall(state)];
}

function checkAutostart({ libvirt }: HostState, needs: HostNeeds): HostFinding {
  const id = "autostart";
  const why = "after a power failure nobody starts them";
  if (!libvirt.known) {
    const what = `which machines start with the host is not known: ${libvirt.why}`;
    return { id, state: "unknown", what, why, remedy: "make libvirt reachable and ask again" };
  }
  const present = new Map(libvirt.value.domains.map((domain) => [domain.uuid, domain]));
  const held = libvirt.value.domains.filter((domain) => domain.evacuated);
  if (held.length > 0) {
    const what = `${held.length} machines are evacuated and do not start with the host`;
    return { id, state: "warning", what, why, remedy: "when the maintenance is over: hyperlab host return" };
  }
  const wanted = needs.machines.filter((machine) => machine.autostart && present.has(machine.uuid));
  const lacking = wanted.filter((machine) => present.get(machine.uuid)?.autostart !== true);
  if (lacking.length === 0) {
    const order = "in any order: nodes wait for their controller, and jobs that were lost are queued again";
    return passed(id, `${wanted.length} machines start with the host, ${order}`);
  }
  const what = `${lacking.map(({ name }) => name).join(", ")} do not start with the host, although they are declared to`;
  return { id, state: "warning", what, why, remedy: "hyperlab up" };
}

function checkKvm({ system }: HostState, needs: HostNeeds): HostFinding {
  const id = "kvm";
  const { kvm } = system;
  const accelerated = needs.machines.some((machine) => machine.type === "kvm");
  if (needs.machines.length > 0 && !accelerated) {
    return passed(id, "the machines are emulated, as they were declared, and need no KVM");
  }
  if (kvm.usable === true) return passed(id, `KVM works: ${kvm.reason}`);
  return {
    id,
    state: kvm.usable === undefined ? "unknown" : accelerated ? "error" : "warning",
    what:
      kvm.usable === undefined ? `whether KVM works is not known: ${kvm.reason}` : `no KVM: ${kvm.reason}`,
    why: accelerated ? "the machines do not start without it" : "machines are emulated, 5 to 20 times slower",
    remedy: kvm.fix ?? "turn on virtualisation in the firmware, and load the module kvm_intel or kvm_amd",
  };
}

const blocked = "machines get no address, or do not reach each other or the outside";

function checkFirewall({ libvirt, system }: HostState): HostFinding[] {
  const id = "firewall";
  const look = "as root: iptables -S, nft list ruleset";
  if (!libvirt.known) {
    const what = `which bridges the firewall must let through is not known: ${libvirt.why}`;
    return [{ id, state: "unknown", what, why: blocked, remedy: look }];
  }
  const networks = libvirt.value.bridges.map((bridge) => ({ name: bridge, bridge, subnet: "" }));
  if (networks.length === 0) return [passed(id, "the stack has no network of its own here")];
  const found = checkForwarding(
    { networks },
    {
      firewall: system.iptables,
      docker: system.docker,
      ufwEnabled: system.ufwEnabled,
      firewalld: system.firewalld,
      bridgeTrafficIsFiltered: system.bridgeTrafficIsFiltered,
    },
  ).map(
    ({ fix, level, problem }): HostFinding => ({
      id,
      state: level,
      what: problem,
      why: blocked,
      remedy: fix,
    }),
  );
  const dropping = checkNftables(rulesetOf(system.nftables), libvirt.value);
  const all = [...found, ...dropping];
  if (all.length > 0) return all;
  const unread = [system.iptables, system.nftables].filter((rules) => !rules.known);
  if (unread.length === 2) {
    const reason = unread.map((rules) => (rules.known ? "" : rules.why)).join("; ");
    const what = `whether the firewall lets the lab's network through is not known: ${reason}`;
    return [{ id, state: "unknown", what, why: blocked, remedy: look }];
  }
  return [passed(id, `nothing drops traffic of ${libvirt.value.bridges.join(", ")}`)];
}

const rulesetOf = (rules: HostState["system"]["nftables"]): string => (rules.known ? rules.value : "");

/** A chain that drops by its policy decides, whatever libvirt accepts in its own; those of iptables are judged as such. */
function checkNftables(ruleset: string, { bridges }: LibvirtFacts): HostFinding[] {
  return parseDroppingChains(ruleset)
    .filter(({ table }) => !/^ip6? (filter|mangle|raw|security|libvirt_network)$/.test(table))
    .flatMap(({ chain, hook, rules, table }) => {
      // Rules may jump to other chains: what names the bridge or any libvirt chain is taken for an exception.
      const lets = (bridge: string) =>
        rules.some((rule) => rule.includes(`"${bridge}"`) || /libvirt/i.test(rule));
      const shut = bridges.filter((bridge) => !lets(bridge));
      if (shut.length === 0) return [];
      const jumps = rules.some((rule) => /\b(jump|goto)\b/.test(rule));
      const what = `chain ${chain} of nftables' table ${table} drops what it does not accept (${hook}), and no rule of it names ${shut.join(", ")}`;
      const field = hook === "forward" ? ["iifname", "oifname"] : ["iifname"];
      const remedy = shut
        .flatMap((bridge) =>
          field.map((name) => `nft insert rule ${table} ${chain} ${name} "${bridge}" accept`),
        )
        .join(" && ");
      return [
        {
          id: "firewall",
          state: jumps ? ("unknown" as const) : ("warning" as const),
          what,
          why: blocked,
          remedy,
        },
      ];
    });
}
