import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bootNode, type NodeSystemd } from "../support/node-systemd.ts";
import { waitFor } from "../support/wait.ts";

let machine: NodeSystemd;
beforeEach(async () => {
  machine = await bootNode();
  // As hyperlab-setup.service does at boot, and hyperlab-knock.service after the controller's word.
  await machine.node("systemctl start home.automount hyperlab-self-drain.service");
  await machine.node("systemctl start --no-block slurmd.service");
}, 600_000);
afterEach(() => machine?.stop());

const switchOff = () =>
  machine.node("systemctl start --no-block --job-mode=replace-irreversibly poweroff.target");
const seen = async (what: string, times = 1): Promise<boolean> =>
  (await machine.seen()).filter((line) => line === what).length >= times;

describe("homes of a compute node", () => {
  it("hold no shutdown up that comes while they are being mounted", async () => {
    await waitFor("homes to be mounted", () => seen("the server is asked"));
    await switchOff();
    await machine.let("answers");
    await machine.let("ends");
    expect(await machine.isGone(), (await machine.seen()).join("\n")).toBe(true);
  });

  it("are there before slurmd, without help where their server comes later, until the last job has ended", async () => {
    await machine.let("refuses");
    await machine.node("systemctl stop home.mount");
    await waitFor("a second refusal", () => seen("the server refuses", 2), 30);
    await machine.unlet("refuses");
    await machine.let("answers");
    await waitFor("a job at home", () => seen("a job is at home"), 30);
    await switchOff();
    await waitFor("the shutdown waits for jobs", () => seen("the shutdown waits"));
    await machine.let("ends");
    expect(await machine.isGone()).toBe(true);
    const lines = await machine.seen();
    expect(lines).toContain("slurmd starts with homes");
    expect(lines).not.toContain("slurmd starts without homes");
    expect(lines.at(-1)).toBe("a job wrote its result");
  });
});
