import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { guestShutdownSeconds } from "../../../../lab/host-shutdown.ts";
import {
  type DrainLimit,
  drainLimits,
  drainNeed,
  END_LIMIT_SECONDS,
} from "../../../../planning/drain-limits.ts";
import { overdueSeconds } from "../../../../providers/libvirt/resources/domain/agent/hooks.ts";
import { briefly, config, findingsOf, goodFacts } from "../lab.ts";
import { known } from "./parts.ts";

const UNITS = "images/guest/usr/lib/systemd/system";
const setting = (file: string, name: string): string | undefined =>
  new RegExp(`^${name}=(.*)$`, "m").exec(readFileSync(join(UNITS, file), "utf8"))?.[1];

const found = (drain: string, guestShutdown: number, slurm = "") => {
  const lab = config({ hpc: drain === "" ? "" : `drain: ${drain}`, slurm });
  return findingsOf(lab, goodFacts(lab, { guestShutdownSeconds: known(guestShutdown) }));
};

describe("a drain", () => {
  it("longer than the host waits for its machines is refused, with the limit and the way out", () => {
    const [finding] = found("{ wait_minutes: 240 }", 300);
    expect(finding).toMatchObject({
      severity: "error",
      id: "drain-exceeds-limit",
      path: "clusters.hpc.drain.wait_minutes",
    });
    expect(finding?.text).toMatch(/may need 14490 s; libvirt-guests on the host.*ends after 300 s/);
    expect(finding?.remedy).toContain("SHUTDOWN_TIMEOUT=14490");
    expect(found("{ wait_minutes: 240 }", 14490)).toEqual([]);
  });

  it("without an end needs a host without a limit", () => {
    expect(briefly(found("{ then: wait }", 86_400))).toEqual([
      "error drain-exceeds-limit clusters.hpc.drain.then",
    ]);
    expect(found("{ then: wait }", Number.POSITIVE_INFINITY)).toEqual([]);
  });

  it("that nobody asked for is a warning on such a host: it is the default", () => {
    expect(briefly(found("", 300))).toEqual(["warning drain-exceeds-limit clusters.hpc.drain.wait_minutes"]);
    expect(briefly(found("{ then: kill }", 300))).toEqual([
      "warning drain-exceeds-limit clusters.hpc.drain.wait_minutes",
    ]);
  });

  it("on a host that cannot be asked is unknown, not passed", () => {
    const lab = config({ hpc: "drain: { wait_minutes: 240 }" });
    const facts = goodFacts(lab, { guestShutdownSeconds: { known: false, why: "it is remote" } });
    expect(briefly(findingsOf(lab, facts))).toEqual([
      "unknown drain-limit-unknown clusters.hpc.drain.wait_minutes",
    ]);
  });

  it("that cancels jobs gives them the time that SLURM gives them", () => {
    const killWait = "KillWait: 900";
    expect(found("{ wait_minutes: 5 }", Number.POSITIVE_INFINITY, killWait)).toEqual([]);
    for (const then of ["kill", "requeue"]) {
      const [finding] = found(`{ wait_minutes: 5, then: ${then} }`, Number.POSITIVE_INFINITY, killWait);
      expect(finding).toMatchObject({ severity: "error", id: "drain-exceeds-limit" });
      expect(finding?.remedy).toContain("KillWait");
    }
  });

  it("that is accepted fits every limit on its way", () => {
    const policy = fc.constantFrom("fail", "requeue", "wait", "kill");
    const host = fc.oneof(fc.integer({ min: 1, max: 1_000_000 }), fc.constant(Number.POSITIVE_INFINITY));
    fc.assert(
      fc.property(fc.nat(525_600), policy, host, (minutes, then, seconds) => {
        const drain = then === "wait" ? "{ then: wait }" : `{ wait_minutes: ${minutes}, then: ${then} }`;
        const lab = config({ hpc: `drain: ${drain}` });
        const facts = goodFacts(lab, { guestShutdownSeconds: known(seconds) });
        const accepted = findingsOf(lab, facts).length === 0;
        const limits = drainLimits(facts.host);
        const need = drainNeed(lab.hpc?.drain ?? { waitMinutes: minutes }, 30);
        const limitOf = (limit: DrainLimit) => (limit.seconds.known ? limit.seconds.value : 0);
        expect(accepted).toBe(limits.every((limit) => limit.needs(need) <= limitOf(limit)));
      }),
      { numRuns: 50 },
    );
  });
});

describe("the table of limits", () => {
  const limits = drainLimits({ guestShutdownSeconds: known(300) });
  const secondsOf = (id: string) => limits.find((limit) => limit.id === id)?.seconds;
  const infinite = known(Number.POSITIVE_INFINITY);

  it("says of the guest's units what they say", () => {
    expect(setting("hyperlab-self-drain.service", "TimeoutStopSec")).toBe("infinity");
    expect(secondsOf("hyperlab-self-drain.service")).toEqual(infinite);
    for (const target of ["poweroff", "reboot", "halt", "kexec"]) {
      expect(setting(`${target}.target.d/hyperlab.conf`, "JobTimeoutSec")).toBe("infinity");
      expect(secondsOf(`${target}.target`)).toEqual(infinite);
    }
  });

  it("says of provider and controller what they do", () => {
    expect(overdueSeconds.kill).toBe(END_LIMIT_SECONDS);
    expect(overdueSeconds.requeue).toBe(END_LIMIT_SECONDS);
    const leaving = readFileSync("images/guest/usr/lib/hyperlab/hyperlab/leaving.py", "utf8");
    expect(leaving).toContain(`END_SECONDS = ${END_LIMIT_SECONDS}\n`);
  });
});

describe("the settings of libvirt-guests", () => {
  it.each([
    ["", 300],
    ["#SHUTDOWN_TIMEOUT=20\n", 300],
    ["SHUTDOWN_TIMEOUT=120\n", 120],
    ['SHUTDOWN_TIMEOUT="120" # two minutes\n', 120],
    ["SHUTDOWN_TIMEOUT=120\nSHUTDOWN_TIMEOUT=600\n", 600],
    ["SHUTDOWN_TIMEOUT=0\n", Number.POSITIVE_INFINITY],
    ["ON_SHUTDOWN=suspend\nSHUTDOWN_TIMEOUT=120\n", Number.POSITIVE_INFINITY],
    ["ON_SHUTDOWN=shutdown\n", 300],
    ["SHUTDOWN_TIMEOUT=soon\n", 300],
  ])("%j", (text, seconds) => {
    expect(guestShutdownSeconds(text)).toBe(seconds);
  });
});
