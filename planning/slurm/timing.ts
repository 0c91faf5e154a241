import type { SlurmTiming } from "../plan.ts";

/** Boot times are rounded up to one of these, so that two measurements of the same machine plan the same. */
const CLASSES = [60, 120, 240, 480, 960] as const;

/** Assumed before a machine was measured. Also the least: a fast boot never lowers what the first run planned. */
const ASSUMED = { kvm: 60, qemu: 240 } as const;

const atMost = (limit: number, value: number) => Math.min(limit, value);
const atLeast = (limit: number, value: number) => Math.max(limit, value);

/**
 * Time-outs of SLURM from the time that a machine takes to boot, which stands for how slow everything on it is.
 *
 * @param bootSeconds Measured; undefined before the first boot.
 */
export function slurmTiming(hypervisor: "kvm" | "qemu", bootSeconds: number | undefined): SlurmTiming {
  const seconds = atLeast(ASSUMED[hypervisor], bootSeconds ?? 0);
  const boot = CLASSES.find((limit) => seconds <= limit) ?? 960;
  const message = atMost(100, boot / 4);
  return {
    bootClassSeconds: boot,
    slurmctldTimeoutSeconds: atLeast(120, boot),
    slurmdTimeoutSeconds: atLeast(300, 3 * boot),
    resumeTimeoutSeconds: atLeast(300, 3 * boot),
    messageTimeoutSeconds: message,
    batchStartTimeoutSeconds: boot / 4,
    // SLURM wants at least five times MessageTimeout.
    unkillableStepTimeoutSeconds: atLeast(120, 5 * message),
    tcpTimeoutSeconds: atMost(10, boot / 30),
    systemdTimeoutMilliseconds: atLeast(10_000, 125 * boot),
  };
}
