import {
  type Forward,
  forwardPaths,
  forwardUnits,
  presentForwards,
  socketName,
  UNIT_FOLDER,
} from "../../../planning/forward-units.ts";
import { controllerName } from "../../../planning/names.ts";
import type { HostNeeds, HostState } from "../facts.ts";
import { conflictOf, stateOf } from "../forward.ts";
import type { ForwardFacts } from "../forward-facts.ts";
import { type HostFinding, PREPARE, passed } from "./finding.ts";

const id = "forward";
const CLOSED = "users do not reach the login machine by it";
const OPEN = "the port leads somewhere although nobody declares it";
const APPLY = `as root on the host: ${PREPARE} --apply`;

/** The port of the host that leads to the login machine (`access: forward`), and ports that nobody declares any more. */
export function checkForwards({ libvirt, system }: HostState, { forward: needs }: HostNeeds): HostFinding[] {
  const { forwards } = system;
  if (!needs.known || !forwards.known) {
    const reason = needs.known ? (forwards.known ? "" : forwards.why) : needs.why;
    const what = `whether a port of the host leads to the login machine as declared is not known: ${reason}`;
    const remedy = `look on the host itself: systemctl list-sockets 'hyperlab-forward-*'`;
    return [{ id, state: "unknown", what, why: CLOSED, remedy }];
  }
  const { cluster, forward } = needs.value;
  const own = forward === undefined ? checkStale(forwards.value, cluster) : checkOwn(forwards.value, forward);
  const machines = libvirt.known ? libvirt.value.domains.map(({ name }) => name) : undefined;
  return [own, ...checkAbandoned(forwards.value, cluster, machines)];
}

function checkOwn(facts: ForwardFacts, forward: Forward): HostFinding {
  const { cluster, port, target } = forward;
  const conflict = conflictOf(facts, forward);
  if (conflict !== undefined) {
    const remedy = "choose another port in the cluster file (access: forward), or free this one";
    return { id, state: "error", what: conflict, why: CLOSED, remedy };
  }
  const error = (what: string): HostFinding => ({ id, state: "error", what, why: CLOSED, remedy: APPLY });
  const units = forwardUnits(forward, facts.proxy).map(({ path, text }) => ({
    text,
    present: facts.files.get(path),
  }));
  if (units.every(({ present }) => present === undefined)) {
    return error(`port ${port} does not lead to the login machine ${target}`);
  }
  if (units.some(({ present, text }) => present !== text)) {
    return error(`the units of port ${port} are not as they should be`);
  }
  const { active, enabled } = stateOf(facts, cluster);
  if (active && enabled) return passed(id, `port ${port} leads to the login machine ${target}`);
  return error(
    `${socketName(cluster)} is ${enabled ? "enabled" : "not enabled"} and ${active ? "active" : "not active"}`,
  );
}

function checkStale(facts: ForwardFacts, cluster: string): HostFinding {
  const stale = forwardPaths(cluster).filter((path) => facts.files.has(path));
  if (stale.length === 0) return passed(id, "no port of the host is declared for logins, and none is there");
  const what = `${stale.join(" and ")} are there, although the cluster file declares no port of this host`;
  return { id, state: "warning", what, why: OPEN, remedy: APPLY };
}

/** Of clusters that have no login machine here. Who declares them is not known, so that nothing of theirs is removed. */
function checkAbandoned(
  facts: ForwardFacts,
  cluster: string,
  machines: readonly string[] | undefined,
): HostFinding[] {
  if (machines === undefined) return [];
  return presentForwards(facts.files)
    .filter((other) => other.cluster !== cluster && !machines.includes(controllerName(other.cluster)))
    .map((other) => {
      const paths = forwardPaths(other.cluster).join(" ");
      const what = `port ${other.port ?? "of the host"} leads to cluster ${other.cluster}, which has no login machine here (${UNIT_FOLDER})`;
      const remedy = `where that cluster is gone for good: systemctl disable --now ${socketName(other.cluster)} && rm -f ${paths} && systemctl daemon-reload`;
      return { id: "forward-abandoned", state: "warning" as const, what, why: OPEN, remedy };
    });
}
