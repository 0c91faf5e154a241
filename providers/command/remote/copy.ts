/** Copies files and directories to a remote host. */
import { readdir, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import {
  Archive,
  Asset,
  type CallContext,
  errorText,
  type PropertyValue,
  ProviderError,
} from "../../plugin/index.ts";
import type { Connection } from "../inputs.ts";
import { connect, type Session } from "./dial.ts";
import { RemoteFiles } from "./sftp.ts";

/** What to copy: a text, or a path of this machine. */
export type CopySource = { readonly text: string } | { readonly path: string };

/** The source of a checked asset or archive. */
export function sourceOf(value: PropertyValue | undefined): CopySource {
  if (value instanceof Archive && value.content?.from === "path") return { path: value.content.path };
  if (value instanceof Asset) {
    if (value.content?.from === "path") return { path: value.content.path };
    // The protocol leaves out an empty text.
    if (value.content?.from !== "uri") return { text: value.content?.text ?? "" };
  }
  throw new ProviderError("source must be a FileAsset, a StringAsset or a FileArchive", "invalidArgument");
}

/**
 * Copies the source, making missing parent directories.
 *
 * | source | destination is a directory | does not exist | is a file |
 * |-|-|-|-|
 * | file | DESTINATION/name | DESTINATION | replaced |
 * | text | refused: it has no name | DESTINATION | replaced |
 * | directory | DESTINATION/name, merged | DESTINATION/name | refused |
 * | directory with `/` at its end | its content, merged | its content | refused |
 *
 * @throws {ProviderError} naming the path that failed.
 */
export async function copyToRemote(
  context: CallContext,
  connection: Connection,
  source: CopySource,
  remotePath: string,
): Promise<void> {
  const local = "path" in source ? await localKind(source.path) : undefined;
  const session = await connect(context, connection);
  const onAbort = () => session.client.destroy();
  context.signal.addEventListener("abort", onAbort, { once: true });
  // ssh2 does not end transfers whose connection is gone, so its end is raced against them.
  const lost = new Promise<never>((_, reject) => {
    session.client.once("close", () =>
      reject(new ProviderError(`the connection to ${session.name} was lost during the copy`, "unavailable")),
    );
  });
  lost.catch(() => {});
  session.client.on("error", () => {});
  try {
    await Promise.race([transfer(context, session, source, local, remotePath), lost]);
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    context.signal.removeEventListener("abort", onAbort);
    session.close();
  }
}

async function transfer(
  context: CallContext,
  session: Session,
  source: CopySource,
  local: "directory" | "file" | undefined,
  remotePath: string,
): Promise<void> {
  const files = await RemoteFiles.open(session.client, session.name);
  await makeDirectories(files, posix.dirname(remotePath));
  const there = await files.kind(remotePath);
  if (!("path" in source)) await copyText(files, source.text, remotePath, there === "directory");
  else if (local === "directory") await copyTree(context, files, source.path, remotePath);
  else {
    const target = there === "directory" ? posix.join(remotePath, basename(source.path)) : remotePath;
    await copyFile(context, files, source.path, target);
  }
}

async function localKind(path: string): Promise<"directory" | "file"> {
  const info = await stat(path).catch((error: unknown) => {
    throw new ProviderError(`cannot read the source of the copy: ${errorText(error)}`, "failedPrecondition");
  });
  return info.isDirectory() ? "directory" : "file";
}

async function copyText(
  files: RemoteFiles,
  text: string,
  remotePath: string,
  isDirectory: boolean,
): Promise<void> {
  if (isDirectory) {
    throw new ProviderError(
      `${remotePath} is a directory; a StringAsset has no name, so remotePath must be the path of a file`,
      "failedPrecondition",
    );
  }
  await files.write(remotePath, text);
}

async function copyTree(
  context: CallContext,
  files: RemoteFiles,
  source: string,
  remotePath: string,
): Promise<void> {
  await makeDirectories(files, remotePath);
  const target = source.endsWith("/") ? remotePath : posix.join(remotePath, basename(source));
  await makeDirectories(files, target);
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    context.signal.throwIfAborted();
    const local = join(entry.parentPath, entry.name);
    const remote = posix.join(target, local.slice(join(source, "/").length));
    if (entry.isDirectory()) await makeDirectories(files, remote);
    else await copyFile(context, files, local, remote);
  }
}

/** Like `mkdir -p`. */
async function makeDirectories(files: RemoteFiles, path: string): Promise<void> {
  if (path === "." || path === "/" || path === "") return;
  const kind = await files.kind(path);
  if (kind === "directory") return;
  if (kind === "other") {
    throw new ProviderError(`${path} exists on the remote host and is not a directory`, "failedPrecondition");
  }
  await makeDirectories(files, posix.dirname(path));
  try {
    await files.makeDirectory(path);
  } catch (error) {
    // Another copy of the same update may have made it since; sftp has no code of its own for that.
    if ((await files.kind(path)) !== "directory") throw error;
  }
}

async function copyFile(
  context: CallContext,
  files: RemoteFiles,
  local: string,
  remote: string,
): Promise<void> {
  const { size } = await stat(local);
  let shown = 0;
  await files.upload(local, remote, (sent) => {
    const percent = Math.floor((sent / size) * 100);
    if (percent === shown) return;
    shown = percent;
    context.logger.status(`${local}: ${percent} % of ${size} bytes`);
  });
}
