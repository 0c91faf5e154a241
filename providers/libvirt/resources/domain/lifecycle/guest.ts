import { ProviderError } from "../../../../plugin/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import type { HookContext } from "../agent/hooks.ts";
import { eventClock } from "../host/events.ts";
import { powerOf } from "../host/reader.ts";
import type { Power } from "../plan/facts.ts";
import { type Run, withSignal } from "../run.ts";

/** The guest went off while something waited for it. */
export class GuestOff extends Error {
  override readonly name = "GuestOff";
  readonly power: Power;
  constructor(power: Power) {
    super(power === "crashed" ? "the guest has crashed" : "the guest is shut off");
    this.power = power;
  }
}

/**
 * What the hooks need for a domain. Their waits end early when something happens to it; a guest that is off or paused
 * ends them with an error.
 */
export async function hookContext(run: Run, ref: DomainRef): Promise<HookContext> {
  const clock = await eventClock(run.provider, ref.uuid, run.clock);
  return {
    agent: run.agent(run.provider.client, ref, clock),
    clock,
    signal: run.call.signal,
    status: (text) => run.call.logger.status(`${run.name}: ${text}`),
    checkGuest: async () => {
      const power = await powerOf(run.provider, ref, withSignal(run));
      if (power === "off" || power === "crashed" || power === "undefined") throw new GuestOff(power);
      if (power === "ioerror") throw await ioError(run, ref);
    },
  };
}

/** The error of a guest that is paused because the host could not write its disk; names the disk and the pool. */
export async function ioError(run: Run, ref: DomainRef): Promise<ProviderError> {
  const { client, cache } = run.provider;
  const errors = await client.domainGetDiskErrors(ref, withSignal(run)).catch(() => []);
  const xml = await client.domainGetXmlDesc(ref, { inactive: true, ...withSignal(run) });
  const pools = await cache.pools.get(run.call.signal);
  const used = pools.filter((pool) => {
    const path = /<path>([^<]+)<\/path>/.exec(pool.xml)?.[1];
    return path !== undefined && xml.includes(`${path}/`);
  });
  const free = await Promise.all(
    used.map(async ({ ref: pool }) => {
      const { available } = await client.storagePoolGetInfo(pool, withSignal(run));
      return `"${pool.name}" (${Math.floor(available / 2 ** 20)} MiB free)`;
    }),
  );
  const disks = errors
    .filter(({ error }) => error !== "none")
    .map(({ disk, error }) => `${disk}${error === "no-space" ? " (no space)" : ""}`);
  const where = disks.length === 0 ? "one of its disks" : `disk ${disks.join(", ")}`;
  return new ProviderError(
    `${run.name} is paused, because the host could not write ${where}. Its pools: ${free.join(", ") || "unknown"}. ` +
      "Free some space there or repair the storage, then run the update again: it lets the machine go on where it stopped. " +
      "A paused machine cannot be shut down, and switching it off would lose what it has not written.",
    "failedPrecondition",
  );
}

const resumeMilliseconds = 2000;

/** Lets a paused guest go on, and wakes one that sleeps. @throws ProviderError where it pauses again for its disk. */
export async function resumeGuest(run: Run, ref: DomainRef): Promise<void> {
  const { client } = run.provider;
  const { state } = await client.domainGetState(ref, withSignal(run));
  if (state === "pmsuspended") await client.domainPmWakeup(ref, withSignal(run));
  else await client.domainResume(ref, withSignal(run));
  const clock = await eventClock(run.provider, ref.uuid, run.clock);
  const end = clock.now() + resumeMilliseconds;
  while (clock.now() < end) {
    if ((await powerOf(run.provider, ref, withSignal(run))) === "ioerror") throw await ioError(run, ref);
    await clock.sleep(Math.max(1, end - clock.now()), run.call.signal);
  }
  if ((await powerOf(run.provider, ref, withSignal(run))) === "ioerror") throw await ioError(run, ref);
}
