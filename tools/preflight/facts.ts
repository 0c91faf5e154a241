import type { KvmResult } from "../hypervisor/kvm-probe.ts";
import type { Route } from "./routes.ts";

/** What a lab asks of the machine that it runs on. */
export interface LabNeeds {
  /** Networks that the lab makes; an existing one is not in here. */
  networks: readonly { name: string; bridge: string; subnet: string }[];
  /** Every machine of the lab; the controller's disks include the state disk. */
  machines: readonly { name: string; memoryMiB: number; diskMiB: number }[];
  /** Folder of the storage pool. */
  poolPath: string;
  /** `kvm` asks for hardware virtualisation; `auto` takes what works. */
  hypervisor: "auto" | "kvm" | "qemu";
  /** An image is built from packages on this machine. */
  buildsImage: boolean;
}

/** A value, or why it is not known. */
export type Known<T> = { known: true; value: T } | { known: false; why: string };

/** A value that is known. */
export const known = <T>(value: T): Known<T> => ({ known: true, value });
/** A value that is not, and why. */
export const unknown = (why: string): { known: false; why: string } => ({ known: false, why });

/** What the checks know of the machine. */
export interface MachineFacts {
  routes: Known<readonly Route[]>;
  memoryAvailableMiB: Known<number>;
  /** Free space where the pool is or will be. */
  poolFreeMiB: Known<number>;
  /** Where an image is built, and the free space there; undefined where one lies in the cache already. */
  imageBuild: { folder: string; freeMiB: Known<number> } | undefined;
  kvm: KvmResult;
  /** Rules of the chains FORWARD and INPUT as `iptables -S` prints them. */
  firewall: Known<{ forward: readonly string[]; input: readonly string[] }>;
  docker: boolean;
  ufwEnabled: boolean;
  firewalld: { running: boolean; hasLibvirtZone: boolean };
  /** Traffic between machines on one bridge passes the firewall too (Docker turns that on). */
  bridgeTrafficIsFiltered: boolean;
  /** What an ordinary user needs to build an image; undefined for root. */
  userNamespaces: UserNamespaces | undefined;
  /** Names of the machines that the stack has already. */
  existingMachines: readonly string[];
}

/** Whether an ordinary user can build an image. */
export interface UserNamespaces {
  user: string;
  /** The kernel lets ordinary users make them. */
  allowed: boolean;
  /** AppArmor forbids them to programs without a profile, and mmdebstrap has none. */
  restricted: boolean;
  /** The user has a range of user ids of his own. */
  hasIdRange: boolean;
}
