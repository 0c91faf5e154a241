import type { HpcClusterPlan, SlurmTiming } from "../plan.ts";

/** Boot times are rounded up to one of these, so that two measurements of the same machine plan the same. */
const CLASSES = [60, 120, 240, 480, 960] as const;

/** Assumed before a machine was measured. Also the least: a fast boot never lowers what was planned before it. */
const ASSUMED = { kvm: 60, qemu: 240 } as const;

const atMost = (limit: number, value: number) => Math.min(limit, value);
const atLeast = (limit: number, value: number) => Math.max(limit, value);

/**
 * Time-outs of SLURM from the time that a machine takes to boot, which stands for how slow everything on it is.
 *
 * @param bootSeconds Measured; 0 before the first boot.
 */
export function slurmTiming(hypervisor: "kvm" | "qemu", bootSeconds: number): SlurmTiming {
  const seconds = atLeast(ASSUMED[hypervisor], bootSeconds);
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

/** Time for all nodes to register before the cluster counts as broken. */
export function verifyTimeoutSeconds(timing: SlurmTiming): number {
  return atLeast(600, 4 * timing.bootClassSeconds);
}

/**
 * The plan with SLURM's time-outs from a boot that was measured after it was made: that of the controller, which boots
 * before SLURM is configured.
 *
 * @param bootSeconds `Domain.bootSeconds` of the controller; 0 where nothing was measured.
 */
export function withMeasuredBoot(plan: HpcClusterPlan, bootSeconds: number): HpcClusterPlan {
  const timing = slurmTiming(plan.hypervisor, bootSeconds);
  return {
    ...plan,
    slurm: { ...plan.slurm, timing },
    verify: { ...plan.verify, timeoutSeconds: verifyTimeoutSeconds(timing) },
  };
}
