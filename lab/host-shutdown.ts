import { readFileSync } from "node:fs";
import type { Known } from "../planning/facts.ts";
import { findProgram } from "../tools/process/find-program.ts";
import { run } from "../tools/process/run.ts";
import { isRemote } from "./remote.ts";

/** Where distributions keep the settings of libvirt-guests. */
const FILES = ["/etc/default/libvirt-guests", "/etc/sysconfig/libvirt-guests"];
/** Its own default of SHUTDOWN_TIMEOUT. */
const DEFAULT_SECONDS = 300;

/**
 * How long libvirt-guests waits for a machine when the host shuts down, from the text of its settings. Infinite where it
 * waits for ever, or saves machines with their memory instead of shutting them down.
 */
export function guestShutdownSeconds(settings: string): number {
  const value = (name: string): string | undefined =>
    [...settings.matchAll(new RegExp(`^\\s*${name}=["']?([^"'\\s#]*)`, "gm"))].at(-1)?.[1];
  const action = value("ON_SHUTDOWN");
  if (action !== undefined && action !== "" && action !== "shutdown") return Number.POSITIVE_INFINITY;
  const seconds = Number(value("SHUTDOWN_TIMEOUT") || DEFAULT_SECONDS);
  if (!Number.isFinite(seconds)) return DEFAULT_SECONDS;
  return seconds <= 0 ? Number.POSITIVE_INFINITY : seconds;
}

/** The limit of the host of a lab. Only this machine's own can be read. */
export async function guestShutdownFact(uri: string): Promise<Known<number>> {
  if (isRemote(uri)) return { known: false, why: "the settings of a remote host are not read" };
  const unlimited = { known: true, value: Number.POSITIVE_INFINITY } as const;
  // The test driver has no machines; without systemd nothing runs at a shutdown.
  if (uri.startsWith("test:") || findProgram("systemctl") === undefined) return unlimited;
  const asked = await run("systemctl", ["is-active", "libvirt-guests.service"], { timeoutMs: 10_000 });
  if (asked.stdout.trim() !== "active") return unlimited;
  for (const file of FILES) {
    try {
      return { known: true, value: guestShutdownSeconds(readFileSync(file, "utf8")) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) {
        return { known: false, why: `${file} could not be read` };
      }
    }
  }
  return { known: true, value: DEFAULT_SECONDS };
}
