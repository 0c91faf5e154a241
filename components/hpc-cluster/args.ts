import type * as pulumi from "@pulumi/pulumi";
import type { HpcClusterPlan } from "../../planning/plan.ts";
import type { KeyGenerations } from "./key-generations.ts";

/** Arguments of `HpcCluster`. */
export interface HpcClusterArgs {
  /**
   * The decided cluster, from `planLab`.
   *
   * @example planLab(config, facts).plan.hpc
   */
  readonly plan: HpcClusterPlan;

  /**
   * Owner id of the stack, from `StackIdentity`. Marks what the cluster creates on the host; everything is
   * forgotten when it changes.
   */
  readonly owner: pulumi.Input<string>;

  /** Secret from which every key of the cluster is derived, from `StackIdentity`; 32 bytes in hex. */
  readonly secret: pulumi.Input<string>;

  /**
   * How often each key was made anew. A higher number is a rotation: the cluster takes the new key while jobs run, and no
   * machine restarts.
   *
   * @example { "slurm-key": 2 }
   * @default the first generation of each key
   */
  readonly keyGenerations?: KeyGenerations;

  /**
   * Kept with the controller's definition on the host, from where the state of the stack is rebuilt when it is lost;
   * made by `sealRecovery`. Another one touches no machine.
   *
   * @default no record: a state that is lost comes back from a backup only
   */
  readonly recoveryRecord?: pulumi.Input<string>;

  /**
   * Files to build or download before the volume of an image is uploaded, by the key of the plan's image; the
   * plan's guest software has the key `guest`. What has no entry must exist as a file.
   *
   * @default no builds
   */
  readonly imageBuilds?: Readonly<Record<string, ImageBuild>>;
}

/** How the image builder makes the file of an image on the machine that runs the engine: a build or a download. */
export interface ImageBuild {
  /** Arguments of the image builder. */
  readonly arguments: readonly string[];
  /** Its standard input. @default empty */
  readonly stdin?: string;
  /** Identity of the result; the builder runs again when it changes. */
  readonly identity: string;
  /**
   * Looks at what was built, in an update and before it is uploaded; does not return where no machine may take it.
   *
   * @default everything is accepted
   */
  readonly accept?: () => Promise<void>;
}

/** One machine as the cluster reports it. */
export interface NodeOutput {
  readonly name: string;
  readonly role: "controller" | "compute";
  readonly address: string;
  /** SLURM's state after the last change, for example `IDLE`, or `off` for a machine that is declared off; absent for the controller and before the first run. */
  readonly state?: string;
  /** SLURM's reason where the node is drained or down. */
  readonly reason?: string;
}

/** What the cluster proved after the last change. */
export interface Verification {
  readonly nodes: readonly { readonly name: string; readonly state: string; readonly reason: string }[];
  /** Output of the job that ran, empty where the plan asks for none. */
  readonly job: string;
}
