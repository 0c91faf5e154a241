import { ProviderError } from "../../../../plugin/errors.ts";
import type { DomainRef } from "../../../client/types.ts";
import { machineId, sshHostKeyPair } from "../../../identity/index.ts";
import type { DomainInputs } from "../../inputs.ts";
import {
  awaitAgent,
  awaitReady,
  type HookContext,
  type HookResult,
  type Identity,
  programs,
  writeIdentity,
} from "../agent/hooks.ts";
import { again } from "../host/again.ts";
import { powerOf } from "../host/reader.ts";
import { type Run, withSignal } from "../run.ts";
import { GuestOff, hookContext, resumeGuest } from "./guest.ts";

/** What a guest that came up told. */
export interface Booted {
  /** Whether it has a `quiesce` program; undefined where nobody looked. */
  readonly quiesceHook: boolean | undefined;
  /** Seconds from start to ready; undefined where nothing was waited for. */
  readonly seconds: number | undefined;
}

/** Starts a machine, waits until it is ready, and measures how long that took where it was off before. */
export async function boot(
  run: Run,
  ref: DomainRef,
  inputs: DomainInputs,
  newRootDisk: boolean,
): Promise<Booted> {
  const cold = await startGuest(run, ref);
  const booted = await awaitBoot(run, ref, inputs, newRootDisk);
  return cold ? booted : { ...booted, seconds: undefined };
}

/**
 * Starts a machine that is off, lets a paused one go on; does nothing to one that runs.
 * @returns Whether it was off.
 */
export function startGuest(run: Run, ref: DomainRef): Promise<boolean> {
  return again(() => startUnlessRunning(run, ref));
}

async function startUnlessRunning(run: Run, ref: DomainRef): Promise<boolean> {
  const power = await powerOf(run.provider, ref, withSignal(run));
  if (power === "running") return false;
  if (power === "paused" || power === "ioerror") {
    await resumeGuest(run, ref);
    return false;
  }
  const { state } = await run.provider.client.domainGetState(ref, withSignal(run));
  // A crashed guest that libvirt keeps for inspection has to go before it can be started.
  if (state === "crashed") await run.provider.client.domainDestroy(ref, withSignal(run));
  run.call.logger.status(`${run.name}: starts`);
  await run.provider.client.domainCreate(ref, withSignal(run));
  return true;
}

/**
 * Waits until a started machine is ready, as its `ready` input says; a new root disk gets its identity first, and one
 * whose keys were changed gets them again: it may have been off then.
 * @throws ProviderError saying what was missing.
 */
export async function awaitBoot(
  run: Run,
  ref: DomainRef,
  inputs: DomainInputs,
  newRootDisk: boolean,
): Promise<Booted> {
  const timeoutSeconds = inputs.ready?.timeoutSeconds ?? 900;
  const context = await hookContext(run, ref);
  const limits = { started: context.clock.now(), timeoutSeconds };
  try {
    const late = keysChanged(inputs) && run.provider.config.identitySecret !== undefined;
    if (inputs.deriveSshHostKey === true && (newRootDisk || late)) {
      const identity = identityOf(run, inputs, keysChanged(inputs));
      demand(run, timeoutSeconds, "got no identity", await writeIdentity(context, { identity, ...limits }));
    }
    const wait = inputs.ready?.wait ?? "hook";
    if (wait === "none") return { quiesceHook: undefined, seconds: undefined };
    demand(run, timeoutSeconds, "did not get ready", await awaitAgent(context, limits));
    if (wait === "hook") demand(run, timeoutSeconds, "did not get ready", await awaitReady(context, limits));
    const seconds = Math.ceil((context.clock.now() - limits.started) / 1000);
    const ask = inputs.quiesce?.hook === "ifPresent";
    return { quiesceHook: ask ? await hasProgram(context, programs.quiesce) : undefined, seconds };
  } catch (error) {
    if (!(error instanceof GuestOff)) throw error;
    throw new ProviderError(
      `${run.name} was started, but ${error.message} before it was ready. Look at its console log and the host's ` +
        `/var/log/libvirt/qemu/${run.name}.log; then run the update again.`,
      "failedPrecondition",
    );
  }
}

/** Time for a guest that runs to take other keys. */
const keySeconds = 300;

/** Gives a guest that runs the keys of its inputs; repeating it changes nothing. */
export async function changeKeys(run: Run, ref: DomainRef, inputs: DomainInputs): Promise<void> {
  const context = await hookContext(run, ref);
  const identity = identityOf(run, inputs, true);
  const limits = { started: context.clock.now(), timeoutSeconds: keySeconds };
  demand(run, keySeconds, "did not take its new keys", await writeIdentity(context, { identity, ...limits }));
}

/** Whether the guest was ever told of other keys than those of its first boot. */
export const keysChanged = ({ loginPublicKey, sshHostKeyGeneration }: DomainInputs): boolean =>
  loginPublicKey !== undefined || sshHostKeyGeneration !== undefined;

/** @param changed For the form that guest software refuses which cannot change keys while it runs. */
function identityOf(run: Run, inputs: DomainInputs, changed: boolean): Identity {
  const secret = run.provider.config.identitySecret;
  if (secret === undefined) {
    throw new ProviderError(
      `${run.name} is to get a derived SSH host key, but the provider has no identitySecret. Set it in the provider's configuration.`,
      "failedPrecondition",
    );
  }
  const id = machineId(secret, run.name);
  const { privateKey } = sshHostKeyPair(secret, run.name, inputs.sshHostKeyGeneration);
  if (!changed) return { sshHostEd25519: privateKey, machineId: id };
  const { loginPublicKey } = inputs;
  return {
    format: 2,
    sshHostKey: privateKey,
    machineId: id,
    ...(loginPublicKey === undefined ? {} : { loginPublicKey }),
  };
}

function demand(run: Run, seconds: number, what: string, result: HookResult): void {
  if (result.kind === "done") return;
  if (result.kind === "failed") {
    throw new ProviderError(
      `${run.name} is running, but ${what}: its program failed with ${result.reason}. ` +
        "Repair the cause in the guest and run the update again.",
      "failedPrecondition",
    );
  }
  const reason = result.kind === "missing" ? "the program is missing" : result.reason;
  throw new ProviderError(
    `${run.name} is running, but ${what} within ${seconds} s: ${reason}. ` +
      `Look at its console ("virsh console ${run.name}") and run the update again; raise ready.timeoutSeconds if it needs longer, ` +
      'or set ready.wait to "agent" or "none" for a guest without the program.',
    "deadlineExceeded",
  );
}

/** True if the guest has the program; false also where it cannot be asked. */
async function hasProgram(context: HookContext, program: string): Promise<boolean> {
  const result = await context.agent.run("/usr/bin/test", {
    args: ["-x", program],
    timeoutSeconds: 10,
    signal: context.signal,
  });
  return result.kind === "exited" && result.exitCode === 0;
}
