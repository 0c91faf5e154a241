import type { KvmResult } from "../hypervisor/kvm-probe.ts";
import { type Known, known, unknown } from "../preflight/facts.ts";
import { type ForwardFacts, type ForwardNeeds, forwardFacts } from "./forward-facts.ts";
import { memoryField, parseAssignments, parseSections, parseUnits, rulesOf, type Section } from "./parse.ts";

/** Where the settings of libvirt-guests are, by distribution. */
export const GUESTS_FILES = ["/etc/default/libvirt-guests", "/etc/sysconfig/libvirt-guests"] as const;

/** The file with the settings of libvirt-guests. */
export interface GuestsFile {
  readonly path: string;
  /** Undefined where it does not exist yet. */
  readonly text: string | undefined;
}

/** What is known of a host's operating system. */
export interface SystemFacts {
  readonly root: Known<boolean>;
  readonly guestsFile: Known<GuestsFile>;
  /** What libvirt-guests takes where the file says nothing. */
  readonly guestsDefaults: Known<ReadonlyMap<string, string>>;
  /** Units of systemd by name. */
  readonly units: Known<ReadonlyMap<string, ReadonlyMap<string, string>>>;
  /** Our drop-ins for units that exist, by path. */
  readonly dropIns: ReadonlyMap<string, string>;
  readonly kvm: KvmResult;
  readonly iptables: Known<{ forward: readonly string[]; input: readonly string[] }>;
  readonly nftables: Known<string>;
  readonly firewalld: { readonly running: boolean; readonly hasLibvirtZone: boolean };
  readonly docker: boolean;
  readonly ufwEnabled: boolean;
  readonly bridgeTrafficIsFiltered: boolean;
  readonly memory: Known<{ totalMiB: number; swapMiB: number }>;
  readonly clockSynchronised: Known<boolean>;
  readonly forwards: Known<ForwardFacts>;
}

/** A pool with what its disks may still take. */
export interface PoolSpace {
  readonly name: string;
  readonly freeMiB: number;
  /** Sum of what thin disks may still grow by. */
  readonly growthMiB: number;
}

/** What libvirt says of a host. */
export interface LibvirtFacts {
  readonly domains: readonly {
    readonly name: string;
    readonly uuid: string;
    readonly running: boolean;
    readonly autostart: boolean;
    readonly memoryMiB: number;
    readonly evacuated: boolean;
  }[];
  readonly pools: readonly PoolSpace[];
  /** Bridges of the networks that the stack's machines are on. */
  readonly bridges: readonly string[];
}

/** Everything that the checks know. */
export interface HostState {
  readonly system: SystemFacts;
  readonly libvirt: Known<LibvirtFacts>;
}

/** A machine's demands on its host. */
export interface MachineNeeds {
  readonly name: string;
  readonly uuid: string;
  readonly type: "kvm" | "qemu";
  /** Declared to run. */
  readonly runs: boolean;
  readonly autostart: boolean;
  readonly memoryMiB: number;
  /** How long jobs may need to end, and how long the shutdown then takes. */
  readonly drainSeconds: number;
  readonly stopSeconds: number;
}

/** What the stack asks of a host. */
export interface HostNeeds {
  readonly machines: readonly MachineNeeds[];
  /** The port for logins that the cluster file declares. */
  readonly forward: Known<ForwardNeeds>;
}

/** Facts of a system that could not be asked at all. */
export function unknownSystem(why: string): SystemFacts {
  const nobodyKnows = unknown(why);
  return {
    root: nobodyKnows,
    guestsFile: nobodyKnows,
    guestsDefaults: nobodyKnows,
    units: nobodyKnows,
    dropIns: new Map(),
    kvm: { usable: undefined, reason: why },
    iptables: nobodyKnows,
    nftables: nobodyKnows,
    firewalld: { running: false, hasLibvirtZone: false },
    docker: false,
    ufwEnabled: false,
    bridgeTrafficIsFiltered: false,
    memory: nobodyKnows,
    clockSynchronised: nobodyKnows,
    forwards: nobodyKnows,
  };
}

/** Facts from what the probe printed. */
export function systemFacts(output: string): SystemFacts {
  const sections = parseSections(output);
  const section = (name: string): Section | undefined => sections.get(name);
  const textOf = (name: string): string => (section(name)?.code === 0 ? (section(name)?.text ?? "") : "");
  const asRoot = textOf("uid").trim() === "0";
  const needsRoot = asRoot ? "the command failed" : "only root can read the rules";
  return {
    root: section("uid") === undefined ? unknown("the host did not say who asks") : known(asRoot),
    guestsFile: guestsFile(sections),
    guestsDefaults: ended(section("guests-script"), "libvirt-guests is not installed", parseAssignments),
    units: ended(section("units"), "systemd does not run there", parseUnits),
    dropIns: new Map(
      [...sections].flatMap(([name, { code, text }]) =>
        name.startsWith("/") && code === 0 ? [[name, text] as const] : [],
      ),
    ),
    kvm: kvmOf(section("kvm")),
    iptables: ended(section("iptables"), missing(section("iptables"), "iptables", needsRoot), (text) => ({
      forward: rulesOf("FORWARD", text),
      input: rulesOf("INPUT", text),
    })),
    nftables: ended(section("nft"), missing(section("nft"), "nft", needsRoot), (text) => text),
    firewalld: {
      running: textOf("firewalld").trim() === "running",
      hasLibvirtZone: section("firewalld-zone")?.code === 0,
    },
    docker: section("docker")?.code === 0,
    ufwEnabled: /^ENABLED=yes/m.test(textOf("ufw")),
    bridgeTrafficIsFiltered: textOf("bridge-filter").trim() === "1",
    memory: memoryOf(textOf("memory")),
    clockSynchronised: clockOf(section("clock")),
    forwards: forwardFacts(sections),
  };
}

function ended<T>(section: Section | undefined, why: string, read: (text: string) => T): Known<T> {
  if (section === undefined) return unknown("the host did not answer this question");
  return section.code === 0 ? known(read(section.text)) : unknown(why);
}

/** The shell's code for a program that is not there. */
const NOT_FOUND = 127;
const missing = (section: Section | undefined, program: string, otherwise: string): string =>
  section?.code === NOT_FOUND ? `${program} is not installed` : otherwise;

function guestsFile(sections: ReadonlyMap<string, Section>): Known<GuestsFile> {
  const [debian, fedora] = [sections.get("guests-default"), sections.get("guests-sysconfig")];
  if (debian === undefined || fedora === undefined) return unknown("the host did not say");
  if (debian.code === 0) return known({ path: GUESTS_FILES[0], text: debian.text });
  if (fedora.code === 0) return known({ path: GUESTS_FILES[1], text: fedora.text });
  const folder = sections.get("sysconfig-folder")?.code === 0 ? GUESTS_FILES[1] : GUESTS_FILES[0];
  return known({ path: folder, text: undefined });
}

function kvmOf(section: Section | undefined): KvmResult {
  if (section === undefined) return { usable: undefined, reason: "the host did not say" };
  return section.code === 0
    ? {
        usable: undefined,
        reason: "the host has /dev/kvm; whether guests run under it is tried only locally",
      }
    : { usable: false, reason: "the host has no /dev/kvm" };
}

function memoryOf(text: string): SystemFacts["memory"] {
  const totalMiB = memoryField(text, "MemTotal");
  if (totalMiB === undefined) return unknown("/proc/meminfo does not say MemTotal");
  return known({ totalMiB, swapMiB: memoryField(text, "SwapTotal") ?? 0 });
}

function clockOf(section: Section | undefined): Known<boolean> {
  if (section === undefined || section.code !== 0) return unknown("timedatectl does not answer there");
  const said = parseAssignments(section.text).get("NTPSynchronized");
  return said === undefined ? unknown("timedatectl does not say NTPSynchronized") : known(said === "yes");
}
