import { type Context, openSession } from "../commands/context.ts";
import { engineCommand } from "../engine/query.ts";
import { readDeployment } from "../state/checkpoint.ts";
import { type RecordedHost, recordedHosts } from "./recorded.ts";

/** The hosts on which the stack has machines; none where nothing was deployed. */
export async function stackHosts(context: Context): Promise<RecordedHost[]> {
  const { layout } = context;
  const read = readDeployment(layout);
  if (read === "none") return [];
  if (read !== undefined) return recordedHosts(read.deployment);
  const session = await openSession(context);
  const text = await engineCommand(session, ["stack", "export", "--stack", session.stack]);
  return recordedHosts(JSON.parse(text));
}

/**
 * The host that is meant: the one that was named, or the only one.
 * @throws Error that lists the hosts where none or another one is meant.
 */
export function chooseHost(
  hosts: readonly RecordedHost[],
  named: string | undefined,
  stack: string,
): RecordedHost {
  const [only, ...rest] = hosts;
  if (only === undefined) {
    throw new Error(`stack ${stack} has no machines on any host; bring them up first: hyperlab up`);
  }
  if (named === undefined && rest.length === 0) return only;
  const found = hosts.find(({ uri }) => uri === named);
  if (found !== undefined) return found;
  const all = hosts.map(({ uri }) => uri).join(", ");
  throw new Error(
    named === undefined
      ? `stack ${stack} has machines on several hosts; name one with --host: ${all}`
      : `stack ${stack} has no machines on ${named}; its hosts: ${all}`,
  );
}
