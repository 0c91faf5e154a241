import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { z } from "zod";
import { type Forward, forwardUnits, presentForwards, socketName } from "../../../planning/forward-units.ts";
import { stateOf } from "../../../tools/host/forward.ts";

const answer = z.object({
  files: z.array(z.tuple([z.string(), z.string()])),
  sockets: z.array(z.tuple([z.string(), z.array(z.tuple([z.string(), z.string()]))])),
  listening: z.array(z.object({ port: z.number(), address: z.string().optional() })),
  proxy: z.string(),
});

/** Asks this machine, in namespaces where it has units of ours and a systemd that says how their socket is. */
const PROBE = `
const { probeSystem } = await import(process.argv[1]);
const { createServer } = await import("node:net");
const server = createServer().listen(2222, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const { forwards } = await probeSystem("qemu:///system");
server.close();
if (!forwards.known) throw new Error(forwards.why);
const { files, listening, proxy, sockets } = forwards.value;
console.log(JSON.stringify({
  files: [...files], proxy, listening: listening.value,
  sockets: [...sockets].map(([name, unit]) => [name, [...unit]]),
}));
`;
const SCRIPT = `
ip link set dev lo up
mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/system /run/bin
mount --bind "$1" /etc/systemd/system
printf '%s\\n' '#!/bin/sh' "echo Id=$2" 'echo ActiveState=active' 'echo UnitFileState=enabled' > /run/bin/systemctl
chmod +x /run/bin/systemctl
PATH=/run/bin:$PATH exec "$0" --input-type=module -e "$3" "$4"
`;

it("finds ports for logins, their sockets, and what listens on the host", () => {
  const folder = mkdtempSync(join(tmpdir(), "hyperlab-units-"));
  try {
    const forward: Forward = { cluster: "lab", port: 2222, target: "10.50.0.2", listen: "127.0.0.1" };
    const units = forwardUnits(forward);
    for (const { path, text } of units) writeFileSync(join(folder, basename(path)), text);
    writeFileSync(join(folder, "other.socket"), "[Socket]\nListenStream=1\n");
    const user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    const probe = fileURLToPath(new URL("../../../tools/host/probe.ts", import.meta.url));
    const command = ["sh", "-ec", SCRIPT, process.execPath, folder, socketName("lab"), PROBE, probe];
    const said = execFileSync("unshare", [...user, "--net", "--mount", ...command], {
      encoding: "utf8",
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    });
    const found = answer.parse(JSON.parse(said));
    const facts = {
      files: new Map(found.files),
      sockets: new Map(found.sockets.map(([name, unit]) => [name, new Map(unit)] as const)),
      listening: { known: true, value: [] } as const,
      proxy: found.proxy,
    };
    expect(found.files).toEqual(units.map(({ path, text }) => [path, text]));
    expect(presentForwards(facts.files)).toEqual([forward]);
    expect(stateOf(facts, "lab")).toEqual({ active: true, enabled: true });
    expect(found.listening).toEqual([{ port: 2222, address: "127.0.0.1" }]);
    expect(found.proxy).toMatch(/systemd-socket-proxyd$/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
