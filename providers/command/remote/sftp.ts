/** The few file operations that copying needs, as promises with errors that name the path. */
import type { Client, SFTPWrapper } from "ssh2";
import { errorText, ProviderError } from "../../plugin/index.ts";

const noSuchFile = 2;

export type RemoteKind = "directory" | "other" | undefined;

/** A session of the server's sftp subsystem. */
export class RemoteFiles {
  readonly #sftp: SFTPWrapper;
  readonly #host: string;

  constructor(sftp: SFTPWrapper, host: string) {
    this.#sftp = sftp;
    this.#host = host;
  }

  static open(client: Client, host: string): Promise<RemoteFiles> {
    return new Promise((resolve, reject) => {
      client.once("error", reject);
      client.sftp((error, sftp) => {
        client.removeListener("error", reject);
        if (error === undefined) resolve(new RemoteFiles(sftp, host));
        else {
          reject(
            new ProviderError(
              `${host} does not offer sftp, which copying needs: ${error.message}; enable Subsystem sftp in its sshd`,
              "failedPrecondition",
            ),
          );
        }
      });
    });
  }

  /** What is at the path; undefined for nothing. */
  kind(path: string): Promise<RemoteKind> {
    return new Promise((resolve, reject) => {
      this.#sftp.stat(path, (error, stats) => {
        if (error === undefined) resolve(stats.isDirectory() ? "directory" : "other");
        else if (codeOf(error) === noSuchFile) resolve(undefined);
        else reject(this.#failure("look at", path, error));
      });
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#call("make directory", path, (done) => this.#sftp.mkdir(path, done));
  }

  /** Writes a file in one go, replacing what is there. */
  write(path: string, content: string): Promise<void> {
    return this.#call("write", path, (done) =>
      this.#sftp.writeFile(path, Buffer.from(content, "utf8"), done),
    );
  }

  /** Uploads a local file in parallel pieces, replacing what is there. */
  upload(local: string, path: string, onProgress: (sent: number) => void): Promise<void> {
    return this.#call(`copy ${local} to`, path, (done) =>
      this.#sftp.fastPut(local, path, { step: (sent) => onProgress(sent) }, done),
    );
  }

  #call(what: string, path: string, start: (done: (error?: Error | null) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      start((error) => (error ? reject(this.#failure(what, path, error)) : resolve()));
    });
  }

  #failure(what: string, path: string, error: Error): ProviderError {
    return new ProviderError(`cannot ${what} ${path} on ${this.#host}: ${errorText(error)}`);
  }
}

function codeOf(error: Error): unknown {
  return "code" in error ? error.code : undefined;
}
