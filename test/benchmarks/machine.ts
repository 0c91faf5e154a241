/** What the figures depend on. */
import { cpus, totalmem } from "node:os";
import { ENGINE_VERSION } from "../../tools/engine/version.ts";
import { run } from "../../tools/process/run.ts";

/** Facts of this machine, without names of hosts, people, products or paths. */
export async function machineFacts(): Promise<(readonly [string, string])[]> {
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return [
    ["machine", `${cpus().length} cores, ${gigabytes} GB, QEMU's emulation`],
    ["Node", process.versions.node],
    ["Pulumi engine", ENGINE_VERSION],
    ["libvirt", await versionOf("libvirtd", ["--version"])],
  ];
}

async function versionOf(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { timeoutMs: 10_000 });
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "unknown";
}
