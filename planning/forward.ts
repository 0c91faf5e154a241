import type { AccessConfig, HpcConfig } from "../config/model.ts";
import type { HostFacts } from "./facts.ts";
import { type Findings, HPC } from "./findings.ts";
import {
  type Forward,
  isAnywhere,
  meet,
  type PresentForward,
  sameForward,
  socketName,
} from "./forward-units.ts";

const PATH = `${HPC}.access.forward`;
/** Where SSH of the host itself listens. */
const SSH_PORT = 22;
/** Ports below it belong to services of the system. */
const FIRST_USER_PORT = 1024;
const APPLY = "On the host, as root: hyperlab host prepare --apply.";

type ForwardAccess = Extract<AccessConfig, { kind: "forward" }>;

/** What the host's administrator makes of the cluster file; undefined where no port is declared. */
export function declaredForward({
  access,
  controller,
  name,
}: Pick<HpcConfig, "access" | "controller" | "name">): Forward | undefined {
  if (access.kind !== "forward") return undefined;
  const { listen, port } = access;
  return { cluster: name, port, target: controller.ipAddress, ...(listen === undefined ? {} : { listen }) };
}

/** By which name or address users reach the host: as declared, else as hyperlab itself reaches it. */
export function loginHost({ host, listen }: ForwardAccess, uri: string): string {
  if (host !== undefined) return host;
  if (!isAnywhere(listen)) return listen;
  const [, name, bracketed] = /^[a-z]+\+ssh:\/\/(?:[^@/]*@)?(?:([^[\]:/?#]+)|\[([^\]]+)\])/.exec(uri) ?? [];
  return name ?? bracketed ?? "localhost";
}

/** What speaks against a port of the host for logins, as far as configuration and host show it. */
export function checkForward(config: HpcConfig, host: HostFacts, findings: Findings): void {
  const { access } = config;
  if (access.kind === "forward") {
    checkPort(access, findings);
    checkListen(access, host, findings);
    noteLocalhost(access, config.host.uri, findings);
  }
  checkHost(config.name, declaredForward(config), host.forwards, findings);
}

function checkPort({ listen, port }: ForwardAccess, findings: Findings): void {
  const path = `${PATH}.port`;
  if (port === SSH_PORT && listen === undefined) {
    const text = "port 22 is where the host's own SSH listens";
    const remedy =
      "Choose another port, or give listen: an address of the host that its own SSH leaves free.";
    findings.error("forward-port-host-ssh", path, text, remedy);
  } else if (port < FIRST_USER_PORT) {
    const text = `port ${port} is one of those below ${FIRST_USER_PORT}, which services of the host itself use`;
    const remedy = `Choose one from ${FIRST_USER_PORT} on, or make sure that nothing else on the host wants it.`;
    findings.warning("forward-port-system", path, text, remedy);
  }
}

/** Interfaces are known of this machine only. */
function checkListen({ listen }: ForwardAccess, host: HostFacts, findings: Findings): void {
  if (isAnywhere(listen) || listen.startsWith("127.")) return;
  if (!host.interfaces.known || !host.networks.known) return;
  if (host.networks.value.some(({ subnet }) => subnet?.split("/")[0] === listen)) return;
  const remedy =
    "Write an address of the host, or leave listen out. The port opens when the host has the address.";
  findings.warning("forward-address-missing", `${PATH}.listen`, `the host has no address ${listen}`, remedy);
}

function noteLocalhost(access: ForwardAccess, uri: string, findings: Findings): void {
  if (loginHost(access, uri) !== "localhost") return;
  const text = "ssh's configuration leads to localhost, which is right on the host itself only";
  findings.note(
    "login-host-unknown",
    `${PATH}.host`,
    text,
    "Give host: the name by which users reach the host.",
  );
}

/** The host's side is made by its administrator; `up` touches nothing there and says what is missing. */
function checkHost(
  cluster: string,
  declared: Forward | undefined,
  forwards: HostFacts["forwards"],
  findings: Findings,
): void {
  if (!forwards.known) {
    if (declared === undefined) return;
    const text = `whether the host leads port ${declared.port} to the login machine is not known: ${forwards.why}`;
    findings.unknown("forward-unknown", PATH, text, "hyperlab host check asks the host itself.");
    return;
  }
  const own = forwards.value.find((present) => present.cluster === cluster);
  if (declared === undefined) {
    if (own !== undefined) noteStale(own, findings);
    return;
  }
  const taken = takenBy(declared, forwards.value);
  if (taken !== undefined) {
    const text = `the host leads port ${declared.port} to cluster ${taken.cluster}`;
    const close = `systemctl disable --now ${socketName(taken.cluster)}`;
    const remedy = `Choose another port or address (listen), or close that one on the host: ${close}, and delete its units.`;
    findings.error("forward-port-taken", `${PATH}.port`, text, remedy);
  } else if (own === undefined || !sameForward(own, declared)) {
    const text =
      own === undefined
        ? `the host does not lead port ${declared.port} to the login machine yet`
        : "the host leads a port to the login machine, but not as declared";
    findings.warning("forward-not-on-host", PATH, text, `${APPLY} hyperlab up changes nothing there.`);
  }
}

/** Another cluster's forward that has the declared port. */
export const takenBy = (declared: Forward, present: readonly PresentForward[]): PresentForward | undefined =>
  present.find((other) => other.cluster !== declared.cluster && meet(other, declared));

function noteStale({ port }: PresentForward, findings: Findings): void {
  const text = `the host still leads ${port === undefined ? "a port" : `port ${port}`} to the login machine, which is declared no more`;
  findings.warning("forward-stale", `${HPC}.access`, text, APPLY);
}
