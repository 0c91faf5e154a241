/** Looks for secrets where none may be. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** A secret in the forms in which it could be written down by accident. */
export interface Secret {
  readonly name: string;
  readonly text: string;
}

function forms(secret: Secret): Buffer[] {
  const plain = Buffer.from(secret.text);
  return [
    plain,
    Buffer.from(JSON.stringify(secret.text).slice(1, -1)),
    Buffer.from(encodeURIComponent(secret.text)),
    Buffer.from(plain.toString("hex")),
    // In a longer text the first and the last group depend on the neighbours: the middle is the same.
    ...[0, 1, 2].map((shift) =>
      Buffer.from(
        Buffer.concat([Buffer.alloc(shift), plain])
          .toString("base64")
          .slice(4, -4),
      ),
    ),
  ];
}

/** Names of the secrets that the bytes hold. */
export function leaksIn(bytes: Uint8Array, secrets: readonly Secret[]): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return secrets
    .filter((secret) => forms(secret).some((form) => text.includes(form)))
    .map(({ name }) => name);
}

/** `FILE holds NAME` for every file below the folder that holds a secret. */
export async function leaksBelow(folder: string, secrets: readonly Secret[]): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    for (const name of leaksIn(await readFile(file), secrets)) found.push(`${file} holds ${name}`);
  }
  return found;
}

const sampleMilliseconds = 50;

/** Looks again and again at the command lines and environments of all processes, until it is stopped. */
export class ProcessWatch {
  readonly #secrets: readonly Secret[];
  readonly #leaks = new Set<string>();
  readonly #programs = new Set<string>();
  #stopped = false;
  #work: Promise<void> = Promise.resolve();

  constructor(secrets: readonly Secret[]) {
    this.#secrets = secrets;
  }

  start(): void {
    this.#work = this.#run();
  }

  /** Ends it. `programs` are the names of all programs that were seen, `leaks` what was found. */
  async stop(): Promise<{ leaks: string[]; programs: string[] }> {
    this.#stopped = true;
    await this.#work;
    return { leaks: [...this.#leaks], programs: [...this.#programs] };
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#sample();
      await new Promise((resolve) => setTimeout(resolve, sampleMilliseconds));
    }
  }

  async #sample(): Promise<void> {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      for (const kind of ["cmdline", "environ"]) {
        // A process may end between the list and the look.
        const bytes = await readFile(`/proc/${pid}/${kind}`).catch(() => Buffer.alloc(0));
        if (kind === "cmdline") this.#programs.add(bytes.toString().split("\0")[0] ?? "");
        for (const name of leaksIn(bytes, this.#secrets))
          this.#leaks.add(`${kind} of process ${pid} holds ${name}`);
      }
    }
  }
}
