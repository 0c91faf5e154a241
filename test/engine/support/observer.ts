/** What the preview says about each machine, and what then happens to it on libvirt. */
import type { LibvirtClient } from "../../../providers/libvirt/client/index.ts";
import type { Ran } from "./lab.ts";

/**
 * The lines of the plain output's section "Diagnostics" by logical name. Each must have come with the URN of its
 * resource, or the engine could not show it there.
 */
export function diagnosticsOf(ran: Ran): Readonly<Record<string, readonly string[]>> {
  const section = /^Diagnostics:\n([\s\S]*?)\n(?:Resources|Outputs|Duration):/m.exec(ran.text)?.[1] ?? "";
  const found: Record<string, string[]> = {};
  let lines: string[] = [];
  for (const line of section.split("\n")) {
    const heading = /^ {2}\S+ \((.+)\):$/.exec(line)?.[1];
    if (heading !== undefined) {
      lines = [];
      found[heading] = lines;
    } else if (line.trim() !== "") lines.push(line.trim());
  }
  return found;
}

/** Kinds of things that can happen to a machine. */
export type Happened =
  | "nothing"
  | "live"
  | "changed while off"
  | "started"
  | "stopped"
  | "restarted"
  | "rebuilt"
  | "replaced"
  | "created"
  | "deleted";

interface Machine {
  readonly definition: string;
  readonly rootDisk: string | undefined;
  readonly running: boolean;
}

/** Records what happens on a host, from libvirt's own events and definitions. */
export class Observer {
  readonly #libvirt: LibvirtClient;
  readonly #events: { readonly name: string; readonly what: string }[] = [];
  #before = new Map<string, Machine>();
  #unsubscribe: (() => void) | undefined;

  private constructor(libvirt: LibvirtClient) {
    this.#libvirt = libvirt;
  }

  static async start(libvirt: LibvirtClient): Promise<Observer> {
    const observer = new Observer(libvirt);
    observer.#before = await observer.#machines();
    observer.#unsubscribe = await libvirt.onDomainLifecycle(({ domain, event }) => {
      observer.#events.push({ name: domain.name, what: event });
    });
    return observer;
  }

  stop(): void {
    this.#unsubscribe?.();
  }

  /** `NAME EVENT` in the order in which libvirt reported them. */
  get events(): readonly string[] {
    return this.#events.map(({ name, what }) => `${name} ${what}`);
  }

  /** What happened to each machine since the start, by the name that it had. */
  async result(): Promise<Readonly<Record<string, Happened>>> {
    const after = await this.#machines();
    const names = [...new Set([...this.#before.keys(), ...after.keys()])].sort();
    return Object.fromEntries(
      names.map((name) => [name, this.#judge(name, this.#before.get(name), after.get(name))]),
    );
  }

  #judge(name: string, before: Machine | undefined, after: Machine | undefined): Happened {
    if (before === undefined) return "created";
    if (after === undefined) return "deleted";
    const seen = new Set(this.#events.filter((event) => event.name === name).map(({ what }) => what));
    if (seen.has("undefined")) return "replaced";
    if (before.rootDisk !== after.rootDisk) return "rebuilt";
    if (seen.has("stopped") && seen.has("started")) return "restarted";
    if (seen.has("stopped")) return "stopped";
    if (seen.has("started")) return "started";
    if (before.definition === after.definition && seen.size === 0) return "nothing";
    return after.running ? "live" : "changed while off";
  }

  async #machines(): Promise<Map<string, Machine>> {
    const found = new Map<string, Machine>();
    for (const ref of await this.#libvirt.domainList()) {
      const xml = await this.#libvirt.domainGetXmlDesc(ref, { inactive: true });
      const autostart = await this.#libvirt.domainGetAutostart(ref);
      found.set(ref.name, {
        definition: `${autostart}${xml}`,
        rootDisk: /<source file='([^']+)'\/>\s*(?:<backingStore[\s\S]*?)?<target dev='vda'/.exec(xml)?.[1],
        running: ref.id >= 0,
      });
    }
    return found;
  }
}
