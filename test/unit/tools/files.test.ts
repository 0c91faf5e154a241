import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { closingLine, tallyOf } from "../../../tools/commands/check.ts";
import { rememberedFailure } from "../../../tools/engine/command-plugin.ts";
import {
  checksumOf,
  downloadEngine,
  releaseArchitecture,
  UnreachableError,
} from "../../../tools/engine/download.ts";
import { withFileLock } from "../../../tools/process/file-lock.ts";
import { lineSplitter, run } from "../../../tools/process/run.ts";
import { hostNames, sshConfigText } from "../../../tools/ssh/client-files.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-files-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the official download", () => {
  const VERSION = "3.259.0";
  const name = `pulumi-v${VERSION}-linux-${releaseArchitecture()}.tar.gz`;
  let server: Server;
  let site: string;
  let content: Map<string, Buffer>;

  beforeEach(async () => {
    content = new Map();
    server = createServer((request, response) => {
      const found = content.get(request.url ?? "");
      response.writeHead(found ? 200 : 404).end(found);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    site = `http://127.0.0.1:${address.port}`;
    execFileSync(
      "sh",
      [
        "-c",
        "mkdir pulumi && printf '#!/bin/sh\\necho v3.259.0\\n' > pulumi/pulumi && chmod +x pulumi/pulumi && tar -czf a.tgz pulumi",
      ],
      { cwd: folder },
    );
    content.set(`/${name}`, readFileSync(join(folder, "a.tgz")));
  });
  afterEach(() => new Promise<void>((resolve) => server.close(() => resolve())));

  const publish = (sum: string): Map<string, Buffer> =>
    content.set(
      `/pulumi-${VERSION}-checksums.txt`,
      Buffer.from(`${"0".repeat(64)}  other.tar.gz\n${sum}  ${name}\n`),
    );
  const sumOf = (data: Buffer | undefined): string =>
    createHash("sha256")
      .update(data ?? "")
      .digest("hex");

  it("is unpacked where its checksum is the published one", async () => {
    publish(sumOf(content.get(`/${name}`)));
    let bytes = 0;
    await downloadEngine(VERSION, folder, (now) => (bytes = now), site);
    expect(bytes).toBe(content.get(`/${name}`)?.length);
    expect(execFileSync(join(folder, "unpacked", "pulumi"), { encoding: "utf8" })).toBe("v3.259.0\n");
  });

  it("is refused where it differs, and that is no reason to try something else", async () => {
    publish("1".repeat(64));
    const failing = downloadEngine(VERSION, folder, () => undefined, site);
    await expect(failing).rejects.toThrow(/has SHA-256 [0-9a-f]{64}, but 1{64} is published/);
    await expect(failing).rejects.not.toBeInstanceOf(UnreachableError);
  });

  it("is refused where the list does not name it", async () => {
    content.set(`/pulumi-${VERSION}-checksums.txt`, Buffer.from("nothing here\n"));
    await expect(downloadEngine(VERSION, folder, () => undefined, site)).rejects.toThrow(/does not name/);
  });

  it("counts as unreachable where the site does not have it or does not answer", async () => {
    await expect(downloadEngine(VERSION, folder, () => undefined, site)).rejects.toBeInstanceOf(
      UnreachableError,
    );
    await expect(
      downloadEngine(VERSION, folder, () => undefined, "http://127.0.0.1:1"),
    ).rejects.toBeInstanceOf(UnreachableError);
  });

  it("finds a checksum in a list", () => {
    const sum = "a".repeat(64);
    expect(checksumOf(`${sum}  x.tar.gz\n${"b".repeat(64)} *y.tar.gz\n`, "y.tar.gz")).toBe("b".repeat(64));
    expect(checksumOf(`${sum}  x.tar.gz`, "x.tar")).toBeUndefined();
  });
});

describe("the memory of an unreachable plugin", () => {
  const day = 24 * 3_600_000;
  const text = JSON.stringify({ version: "1.2.1", failedAtMs: 1_000 });

  it("holds for a day and one version", () => {
    expect(rememberedFailure(text, "1.2.1", 1_000 + day - 1)).toBe(true);
    expect(rememberedFailure(text, "1.2.1", 1_000 + day)).toBe(false);
    expect(rememberedFailure(text, "1.2.2", 2_000)).toBe(false);
    // A clock that was set back must not hold for years.
    expect(rememberedFailure(text, "1.2.1", 0)).toBe(false);
    expect(rememberedFailure("", "1.2.1", 0)).toBe(false);
  });
});

describe("a lock file", () => {
  it("lets one in at a time", async () => {
    const file = join(folder, "lock");
    const order: string[] = [];
    let release = (): void => undefined;
    const first = withFileLock(file, async () => {
      order.push("first in");
      await new Promise<void>((resolve) => (release = resolve));
      order.push("first out");
    });
    const second = withFileLock(file, async () => void order.push("second in"), { onWait: () => release() });
    await Promise.all([first, second]);
    expect(order).toEqual(["first in", "first out", "second in"]);
  });

  it("is taken over from a process that is gone", async () => {
    const file = join(folder, "lock");
    const gone = spawnSync("true").pid;
    writeFileSync(file, String(gone));
    expect(await withFileLock(file, async () => "in")).toBe("in");
    expect(() => readFileSync(file)).toThrow(/ENOENT/);
  });

  it("gives up at the deadline and names the holder", async () => {
    const file = join(folder, "lock");
    writeFileSync(file, String(process.ppid));
    await expect(withFileLock(file, async () => "in", { timeoutMs: 0 })).rejects.toThrow(
      `process ${process.ppid}`,
    );
  });

  it("is released where the work fails", async () => {
    const file = join(folder, "lock");
    await expect(withFileLock(file, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withFileLock(file, async () => "in", { timeoutMs: 0 })).toBe("in");
  });
});

describe("running programs", () => {
  it("returns what was printed, and lines as they come", async () => {
    const lines: string[] = [];
    const result = await run("sh", ["-c", "echo a; echo b >&2; cat; exit 3"], {
      input: "c",
      onLine: (line) => lines.push(line),
    });
    expect(result).toMatchObject({ code: 3, stdout: "a\nc", stderr: "b\n", timedOut: false });
    expect(lines.sort()).toEqual(["a", "b", "c"]);
  });

  it("kills a program and its children at the deadline", async () => {
    const result = await run("sh", ["-c", "sleep 60 & wait"], { timeoutMs: 200 });
    expect(result).toMatchObject({ timedOut: true, signal: "SIGKILL" });
  });

  it("says what could not be started", async () => {
    await expect(run(join(folder, "absent"), [])).rejects.toThrow(/absent could not be started/);
  });

  it("cuts lines wherever the pieces end", () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    for (const piece of ["a", "b\nc\r", "d", "\n", "e"]) splitter.push(piece);
    splitter.end();
    expect(lines).toEqual(["ab", "c", "d", "e"]);
  });
});

describe("files for ssh", () => {
  const files = { folder: "/s", config: "/s/config", knownHosts: "/s/known_hosts" };

  it("put the stack's block before the user's settings", () => {
    const text = sshConfigText("Host lab\n  HostName 10.0.0.2\n", files, ["/s/id"], "/home/ada/.ssh/config");
    expect(text).toBe(
      'Host lab\n  HostName 10.0.0.2\n\nMatch all\n  UserKnownHostsFile "/s/known_hosts"\n  GlobalKnownHostsFile /dev/null\n  IdentityFile "/s/id"\n  Include "/home/ada/.ssh/config"\n',
    );
    expect(hostNames(`${text}Host *\nhost second third\n`)).toEqual(["lab", "second", "third"]);
  });
});

describe("the closing line", () => {
  it("counts tests, and files that could not be loaded", () => {
    const report = {
      numPassedTests: 10,
      numFailedTests: 1,
      testResults: [
        { status: "passed", assertionResults: [{ status: "passed" }] },
        { status: "failed", assertionResults: [{ status: "failed" }] },
        { status: "failed", assertionResults: [] },
      ],
    };
    expect(tallyOf(JSON.stringify(report))).toEqual({ passed: 10, failed: 2 });
    expect(closingLine({ passed: 10, failed: 2 })).toBe("10 passed, 2 failed");
  });
});
