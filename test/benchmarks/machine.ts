/** What the figures depend on. */
import { cpus, loadavg, release, totalmem } from "node:os";
import { ENGINE_VERSION } from "../../tools/engine/version.ts";
import { run } from "../../tools/process/run.ts";

/** Facts of this machine, without names of hosts, people or paths. */
export async function machineFacts(): Promise<(readonly [string, string])[]> {
  const [first] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return [
    ["processor", `${cpus().length} × ${first?.model ?? "unknown"}`],
    ["memory", `${gigabytes} GB`],
    ["kernel", release()],
    ["Node", process.versions.node],
    ["Pulumi engine", ENGINE_VERSION],
    ["libvirt", await versionOf("libvirtd", ["--version"])],
    ["QEMU", await versionOf("qemu-system-x86_64", ["--version"])],
    ["load before the run", (loadavg()[0] ?? 0).toFixed(1)],
  ];
}

async function versionOf(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { timeoutMs: 10_000 });
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "unknown";
}
