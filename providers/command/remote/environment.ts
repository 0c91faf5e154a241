/**
 * Sets environment variables of a remote command and waits for the server's word on each. ssh2 sends them without asking
 * for an answer, so a command could run without variables that it needs. This reaches into ssh2's protocol object; the
 * version is pinned, and a change of its inner workings is reported instead of ignored.
 */
import type { Client } from "ssh2";
import { ProviderError } from "../../plugin/index.ts";

interface Protocol {
  env(channel: number, name: string, value: string, wantReply: boolean): void;
  exec(channel: number, command: string, wantReply: boolean): void;
}

type Reply = (failed: boolean | Error) => void;

interface Channel {
  readonly outgoing: { readonly id: number };
  readonly _callbacks: Reply[];
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

function isProtocol(value: unknown): value is Protocol {
  return isRecord(value) && typeof value.env === "function" && typeof value.exec === "function";
}

function isChannel(value: unknown): value is Channel {
  return isRecord(value) && isRecord(value.outgoing) && Array.isArray(value._callbacks);
}

function channelsOf(client: Client): Channel[] {
  const manager: unknown = Reflect.get(client, "_chanMgr");
  const channels = isRecord(manager) ? manager._channels : undefined;
  return isRecord(channels) ? Object.values(channels).filter(isChannel) : [];
}

/**
 * Makes the next `exec` of the client send the variables first, and send the command only when the server accepted
 * them all; otherwise `exec` fails with `onRefused`'s error, or goes on if it gives none.
 */
export function setEnvironment(
  client: Client,
  variables: Readonly<Record<string, string>>,
  onRefused: (name: string) => Error | undefined,
): void {
  const names = Object.keys(variables);
  if (names.length === 0) return;
  const protocol: unknown = Reflect.get(client, "_protocol");
  if (!isProtocol(protocol)) {
    throw new ProviderError("this version of ssh2 cannot set environment variables; use 1.17.0", "internal");
  }
  const exec = protocol.exec;
  protocol.exec = (id, command, wantReply) => {
    protocol.exec = exec;
    const channel = channelsOf(client).find((candidate) => candidate.outgoing.id === id);
    const onExec = channel?._callbacks.pop();
    if (channel === undefined || onExec === undefined) {
      throw new ProviderError(
        "this version of ssh2 cannot set environment variables; use 1.17.0",
        "internal",
      );
    }
    let waiting = names.length;
    let refusal: Error | undefined;
    for (const name of names) {
      channel._callbacks.push((failed) => {
        if (failed instanceof Error) refusal = failed;
        else if (failed) refusal ??= onRefused(name);
        waiting--;
        if (waiting > 0) return;
        if (refusal !== undefined) onExec(refusal);
        else {
          channel._callbacks.push(onExec);
          exec.call(protocol, id, command, wantReply);
        }
      });
      protocol.env(id, name, variables[name] ?? "", true);
    }
  };
}
