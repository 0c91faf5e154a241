import { isObject, type PropertyMap, type PropertyValue } from "../../../../plugin/values.ts";
import type { Hold } from "../../../ownership/index.ts";
import type { Pending } from "../mark.ts";

/**
 * What the machine does. `undefined`: libvirt has no definition of it (any more). `ioerror`: paused because the host
 * could not write its disk.
 */
export type Power = "running" | "off" | "crashed" | "paused" | "ioerror" | "undefined";

/** Sizes that can change while a guest runs. */
export interface LiveSizes {
  readonly vcpus?: number;
  readonly memoryMiB?: number;
}

/** What is known of a machine besides its inputs. */
export interface Facts {
  readonly power: Power;
  /** The root overlay does not exist although one is declared. */
  readonly rootDiskMissing: boolean;
  /** A reservation or DNS entry that is declared is not in its network. */
  readonly entriesMissing: boolean;
  readonly pending: Pending | undefined;
  /** Whether the guest has a `quiesce` program; undefined where nobody looked. */
  readonly quiesceHook: boolean | undefined;
  /** What a new definition would drop. */
  readonly unmanaged: readonly string[];
  /** What the machine has in the place of its own root overlay, for example the file of a snapshot. */
  readonly foreignRoot?: string | undefined;
  /** Sizes of the running guest, where they are not those of its definition. */
  readonly live?: LiveSizes;
  /** Somebody stopped it for a time: its power state is left alone. */
  readonly hold?: Hold;
}

const powers: readonly Power[] = ["running", "off", "crashed", "paused", "ioerror", "undefined"];

/** The facts that the recorded state holds. A machine of which nothing is recorded is as its inputs say. */
export function recordedFacts(state: PropertyMap, oldInputs: PropertyMap): Facts {
  const byInputs: Power = oldInputs.running === false ? "off" : "running";
  const unmanaged = Array.isArray(state.unmanaged) ? state.unmanaged : [];
  return {
    power: powers.find((power) => power === state.power) ?? byInputs,
    rootDiskMissing: state.rootDiskMissing === true,
    entriesMissing: state.entriesMissing === true,
    pending: state.pending === "boot" || state.pending === "ready" ? state.pending : undefined,
    quiesceHook: typeof state.quiesceHook === "boolean" ? state.quiesceHook : undefined,
    unmanaged: unmanaged.filter((item) => typeof item === "string"),
    ...(typeof state.foreignRoot === "string" ? { foreignRoot: state.foreignRoot } : {}),
    ...recordedHold(state.hold),
    live: {
      ...(typeof state.liveVcpus === "number" ? { vcpus: state.liveVcpus } : {}),
      ...(typeof state.liveMemoryMiB === "number" ? { memoryMiB: state.liveMemoryMiB } : {}),
    },
  };
}

function recordedHold(hold: PropertyValue | undefined): Pick<Facts, "hold"> {
  const found = holdOfRecord(hold);
  return found === undefined ? {} : { hold: found };
}

function holdOfRecord(hold: PropertyValue | undefined): Hold | undefined {
  if (!isObject(hold)) return undefined;
  const text = (name: keyof Hold) => (typeof hold[name] === "string" ? hold[name] : "");
  const replaced = holdOfRecord(hold.replaced);
  return {
    power: hold.power === "running" ? "running" : "off",
    kind: hold.kind === "evacuation" ? "evacuation" : "manual",
    since: text("since"),
    by: text("by"),
    reason: text("reason"),
    ...(hold.autostart === true ? { autostart: true } : {}),
    ...(replaced === undefined ? {} : { replaced }),
  };
}
