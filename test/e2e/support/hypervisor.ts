import { must, run } from "./program.ts";

const virsh = (...args: string[]) => must("virsh", ["-q", "-c", "qemu:///system", ...args]);

/** Asks libvirt by its own command, as an administrator would: it must agree with what hyperlab says. */
export const hypervisor = {
  /** Everything that libvirt knows by name: domains, networks, pools. */
  async inventory(): Promise<string[]> {
    const lists = await Promise.all([
      virsh("list", "--all", "--name"),
      virsh("net-list", "--all", "--name"),
      virsh("pool-list", "--all", "--name"),
    ]);
    return lists.flatMap((text) => text.split("\n").filter((line) => line !== "")).sort();
  },

  /** File of the root disk in use. */
  async rootDisk(domain: string): Promise<string> {
    const lines = (await virsh("domblklist", domain)).split("\n");
    const line = lines.find((text) => text.trim().startsWith("vda"));
    return line?.trim().split(/\s+/)[1] ?? "";
  },

  /** Identity of the guest's running kernel; another one after every boot. */
  async bootId(domain: string): Promise<string> {
    const handle = await agent(domain, "guest-file-open", { path: "/proc/sys/kernel/random/boot_id" });
    const content = await agent(domain, "guest-file-read", { handle });
    await agent(domain, "guest-file-close", { handle });
    const encoded =
      typeof content === "object" && content !== null && "buf-b64" in content
        ? String(content["buf-b64"])
        : "";
    return Buffer.from(encoded, "base64").toString("utf8").trim();
  },
};

async function agent(domain: string, execute: string, args: Record<string, unknown>): Promise<unknown> {
  const ended = await run("virsh", [
    "-q",
    "-c",
    "qemu:///system",
    "qemu-agent-command",
    domain,
    JSON.stringify({ execute, arguments: args }),
  ]);
  if (ended.code !== 0) throw new Error(`the agent of ${domain} refused ${execute}: ${ended.output}`);
  const { return: answer }: { return: unknown } = JSON.parse(ended.output);
  return answer;
}
