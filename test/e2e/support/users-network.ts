import { must, run } from "./program.ts";

const NAMESPACE = "hlab-e2e-users";
const [OUTSIDE, INSIDE] = ["hlab-e2e-u0", "hlab-e2e-u1"];
const PREFIX = "192.168.158";

/** Connects to each place of a list, `ADDRESS PORT`, and prints those that accept. */
const REACH = `import concurrent.futures, json, socket, sys
def reached(place):
    try:
        socket.create_connection(tuple(place), timeout=4).close()
    except OSError:
        return False
    return True
places = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    print(json.dumps([place for place, answer in zip(places, pool.map(reached, places)) if answer]))
`;

/** An address and a TCP port. */
export type Place = readonly [address: string, port: number];

/**
 * The network of a site's users: a bridge on this host, on which the host has an address, and a machine there that has no
 * other network (a network namespace). Everything goes with `remove`, also what a run that was killed left.
 */
export const usersNetwork = {
  bridge: "hlab-e2e1",
  /** Free for a login machine, with its prefix. */
  login: `${PREFIX}.50/24`,
  loginAddress: `${PREFIX}.50`,
  userAddress: `${PREFIX}.10`,
  /** Goes before a command that runs on the user's machine. */
  there: ["ip", "netns", "exec", NAMESPACE] as const,

  async make(): Promise<void> {
    await this.remove();
    const ip = (...args: string[]) => must("ip", args);
    await ip("link", "add", this.bridge, "type", "bridge");
    await ip("address", "add", `${PREFIX}.1/24`, "dev", this.bridge);
    await ip("link", "set", this.bridge, "up");
    await ip("netns", "add", NAMESPACE);
    await ip("link", "add", OUTSIDE, "type", "veth", "peer", "name", INSIDE, "netns", NAMESPACE);
    await ip("link", "set", OUTSIDE, "master", this.bridge, "up");
    await ip("-n", NAMESPACE, "address", "add", `${this.userAddress}/24`, "dev", INSIDE);
    await ip("-n", NAMESPACE, "link", "set", INSIDE, "up");
  },

  /** Leads a network through the login machine, as a user would who wants further in. */
  async routeThroughLogin(subnet: string): Promise<void> {
    await must("ip", ["-n", NAMESPACE, "route", "replace", subnet, "via", this.loginAddress]);
  },

  /** The places that accept a connection from the user's machine. */
  async reached(places: readonly Place[]): Promise<Place[]> {
    const [program, ...args] = this.there;
    return JSON.parse(await must(program, [...args, "python3", "-c", REACH, JSON.stringify(places)]));
  },

  async remove(): Promise<void> {
    // What is not there cannot be removed.
    await run("ip", ["netns", "delete", NAMESPACE]);
    await run("ip", ["link", "delete", OUTSIDE]);
    await run("ip", ["link", "delete", this.bridge]);
  },
};
