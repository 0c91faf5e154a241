import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { type Forward, forwardUnits, PROXY_PROGRAMS } from "../../../planning/forward-units.ts";
import { eventually } from "./program.ts";

/**
 * Runs the program of a forward with the socket that systemd would hand it, as its units say, while something is done. The
 * host of the tests need not have systemd running, nor be changed.
 */
export async function whileForwarded(forward: Forward, work: () => Promise<void>): Promise<void> {
  const program = PROXY_PROGRAMS.find((path) => existsSync(path));
  const [socket, service] = forwardUnits(forward, program).map(({ text }) => text);
  const listen = /^ListenStream=(.+)$/m.exec(socket ?? "")?.[1] ?? "";
  const command = /^ExecStart=(.+)$/m.exec(service ?? "")?.[1]?.split(" ") ?? [];
  const child = spawn("systemd-socket-activate", [`--listen=${listen}`, ...command], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString("utf8");
  });
  const ended = new Promise<void>((resolve) => {
    child.on("close", () => resolve());
    child.on("error", (error) => {
      said += error.message;
      resolve();
    });
  });
  try {
    await eventually(
      `${listen} is open`,
      30,
      async () => said,
      (text) => text.includes("Listening on"),
    );
    await work();
  } finally {
    child.kill();
    await ended;
  }
}
