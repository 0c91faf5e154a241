import { takenBy } from "../../planning/forward.ts";
import {
  type Forward,
  forwardPaths,
  forwardUnits,
  isAnywhere,
  type PresentForward,
  presentForwards,
  socketName,
} from "../../planning/forward-units.ts";
import type { ForwardFacts, ForwardNeeds, Listener } from "./forward-facts.ts";

/** A file as it is and as it should be; undefined: it is not there. */
export interface ForwardFile {
  readonly path: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** What has to be done on the host for the port that the cluster file declares, or for one that it declares no more. */
export interface ForwardPlan {
  /** Commands before the files change. */
  readonly first: readonly (readonly string[])[];
  readonly files: readonly ForwardFile[];
  /** Commands after it, without the reload of systemd. */
  readonly commands: readonly (readonly string[])[];
  /** Why the port cannot be opened; nothing is to be done then. */
  readonly conflict?: string;
}

/** Nothing is to be done. */
export const NOTHING: ForwardPlan = { first: [], files: [], commands: [] };

/** Decides it. Nothing where the host is as it should be. */
export function planForward(facts: ForwardFacts, { cluster, forward }: ForwardNeeds): ForwardPlan {
  if (forward === undefined) return planRemoval(facts, cluster);
  const conflict = conflictOf(facts, forward);
  if (conflict !== undefined) return { ...NOTHING, conflict };
  const files = forwardUnits(forward, facts.proxy)
    .map(({ path, text }) => ({ path, before: facts.files.get(path), after: text }))
    .filter(({ after, before }) => before !== after);
  const socket = socketName(cluster);
  const { active, enabled } = stateOf(facts, cluster);
  const starts = !active || files.length > 0;
  return {
    // The program stops with its socket. One that is off tells a later run that this one did not come to its end.
    first: active && starts ? [["systemctl", "stop", socket]] : [],
    files,
    commands: [
      ...(enabled ? [] : [["systemctl", "enable", socket]]),
      ...(starts ? [["systemctl", "start", socket]] : []),
    ],
  };
}

function planRemoval(facts: ForwardFacts, cluster: string): ForwardPlan {
  const files = forwardPaths(cluster).flatMap((path) => {
    const before = facts.files.get(path);
    return before === undefined ? [] : [{ path, before, after: undefined }];
  });
  if (files.length === 0) return NOTHING;
  const socket = socketName(cluster);
  const there = files.some(({ path }) => path.endsWith(`/${socket}`));
  return { first: there ? [["systemctl", "disable", "--now", socket]] : [], files, commands: [] };
}

/** Whether systemd has the port open now, and will after a boot. */
export function stateOf({ sockets }: ForwardFacts, cluster: string): { active: boolean; enabled: boolean } {
  const unit = sockets.get(socketName(cluster));
  return {
    active: unit?.get("ActiveState") === "active",
    enabled: unit?.get("UnitFileState") === "enabled",
  };
}

/** Who has the port already, or what lacks; undefined where nothing is in the way. */
export function conflictOf(facts: ForwardFacts, forward: Forward): string | undefined {
  if (facts.proxy === undefined) {
    return "the host has no systemd-socket-proxyd, which comes with systemd or in a package of its own";
  }
  const present = presentForwards(facts.files);
  const other = takenBy(forward, present);
  if (other !== undefined) return `port ${forward.port} leads to cluster ${other.cluster} already`;
  if (!facts.listening.known) return undefined;
  const own = present.find(({ cluster }) => cluster === forward.cluster);
  const { active } = stateOf(facts, forward.cluster);
  const others = facts.listening.value.filter(
    (listener) => !(active && own !== undefined && isAt(listener, own)),
  );
  return others.some((listener) => clashes(listener, forward))
    ? `something else listens at port ${forward.port} already; ss -Hltnp sport = :${forward.port} tells what`
    : undefined;
}

/** Whether a listener is the socket of a forward. */
function isAt({ address, port }: Listener, forward: PresentForward): boolean {
  return (
    port === forward.port && (isAnywhere(forward.listen) ? address === undefined : address === forward.listen)
  );
}

function clashes({ address, port }: Listener, forward: Forward): boolean {
  const { listen } = forward;
  return port === forward.port && (isAnywhere(listen) || address === undefined || address === listen);
}
