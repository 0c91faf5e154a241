import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { z } from "zod";
import { ADMINISTRATOR, type ClusterShape, USER } from "./cluster-file.ts";
import { hypervisor, type MachineIdentity } from "./hypervisor.ts";
import { LabUnderTest } from "./lab.ts";
import { eventually } from "./program.ts";
import { SlurmUser } from "./slurm.ts";

/** What happened to a machine, in the preview's words. */
export type Happened = "none" | "create" | "remove" | "start" | "restart" | "rebuild";

const secretsFile = z.object({
  clusterSshKey: z.string(),
  databasePassword: z.string().min(20),
  slurmJwks: z.string(),
});
const jwks = z.object({ keys: z.tuple([z.object({ k: z.string().min(20) })]) });

/** What a preview may announce: a live change leaves no trace in what a machine is. */
export type Announced = Happened | "live";

type Machines = Readonly<Record<string, MachineIdentity | undefined>>;

/** The cluster on which the scenarios run, and what is asked of it again and again. */
export class ClusterUnderTest {
  readonly lab = new LabUnderTest();
  /** SLURM as the ordinary user sees it. */
  readonly slurm = new SlurmUser(this.lab, USER);
  /** SLURM as an administrator sees it. */
  readonly administrator = new SlurmUser(this.lab, ADMINISTRATOR);
  /** Each scenario begins and ends with it; a new image stays for those that follow. */
  base: ClusterShape = { nodes: [1, 2] };
  readonly controller = `${this.lab.name}-controller`;
  readonly first = this.node(1);
  readonly second = this.node(2);

  node(number: number): string {
    return `${this.lab.name}-compute-${String(number).padStart(2, "0")}`;
  }

  /** Every machine that libvirt has, with boot and disk. */
  async machines(): Promise<Machines> {
    const names = await hypervisor.domains(this.lab.name);
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await hypervisor.identity(name)] as const)),
    );
  }

  /** Effects that a preview announces, without machines that it leaves alone. */
  async announced(): Promise<Record<string, string>> {
    const lines = [...(await this.lab.preview()).values()].filter((line) => line.effect !== "none");
    return Object.fromEntries(lines.map((line) => [line.name, line.effect]));
  }

  /** Secrets of the cluster, from the only places where they may be. Of keys a part that nothing else contains. */
  async secrets(): Promise<Record<string, string>> {
    const kept: unknown = JSON.parse(
      await hypervisor.shell(this.controller, "cat /srv/hyperlab/config/secrets.json"),
    );
    const { clusterSshKey, databasePassword, slurmJwks } = secretsFile.parse(kept);
    const hostKey = await hypervisor.shell(this.controller, "cat /etc/ssh/ssh_host_ed25519_key");
    return {
      "SLURM's key": jwks.parse(JSON.parse(slurmJwks)).keys[0].k,
      "password of the database": databasePassword,
      "the cluster's SSH key": privatePart(clusterSshKey),
      "the controller's host key": privatePart(hostKey),
      passphrase: readFileSync(join(this.lab.stateFolder, "passphrase"), "utf8").trim(),
    };
  }

  /**
   * Declares a shape and brings it up. The preview must announce exactly the given effects, and exactly that must have
   * happened afterwards: boot ids and disks are compared. `meanwhile` runs beside the `up`.
   */
  async change(
    shape: ClusterShape,
    effects: Readonly<Record<string, Announced>>,
    meanwhile: () => Promise<void> = async () => undefined,
  ): Promise<void> {
    this.lab.declare(shape);
    const before = await this.machines();
    expect(await this.announced()).toEqual(effects);
    await this.#beside(this.lab.up(), meanwhile);
    const visible = Object.fromEntries(Object.entries(effects).filter(([, what]) => what !== "live"));
    expect(changes(before, await this.machines())).toEqual(visible);
  }

  /**
   * As `change` to another image, which comes about through `hyperlab image update`: the shape is declared without its
   * moment, and the command writes that. Gives what the command said, where the effects are announced.
   */
  async updateImage(
    { snapshot, ...wishes }: ClusterShape & { readonly snapshot: string },
    archive: string,
    effects: Readonly<Record<string, Happened>>,
    meanwhile: () => Promise<void>,
  ): Promise<string> {
    this.lab.declare(wishes);
    const before = await this.machines();
    const said = await this.#beside(this.lab.updateImage(archive, snapshot), meanwhile);
    expect(changes(before, await this.machines())).toEqual(effects);
    return said;
  }

  async #beside<T>(work: Promise<T>, meanwhile: () => Promise<void>): Promise<T> {
    await allEnded(
      work,
      meanwhile().catch((error: unknown) => this.#giveUp(error)),
    );
    return work;
  }

  /** Ends the jobs of a scenario that failed: an `up` that runs would wait for them. */
  async #giveUp(error: unknown): Promise<never> {
    await eventually(
      `jobs are cancelled on ${this.controller}`,
      300,
      () =>
        hypervisor.shell(this.controller, `scancel --user=${USER}`).then(
          () => false,
          () => true,
        ),
      (failed) => !failed,
    );
    throw error;
  }
}

/** Waits for all, also where one fails: what a scenario began must not go on into the next one. */
async function allEnded(...works: Promise<unknown>[]): Promise<void> {
  const ended = await Promise.allSettled(works);
  for (const { status, ...how } of ended.reverse()) if ("reason" in how) throw how.reason;
}

/** What happened to each machine to which anything happened. */
export function changes(before: Machines, after: Machines): Record<string, Happened> {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const happened = names.map((name) => [name, fate(before, after, name)] as const);
  return Object.fromEntries(happened.filter(([, what]) => what !== "none"));
}

function fate(before: Machines, after: Machines, name: string): Happened {
  if (!(name in before)) return "create";
  if (!(name in after)) return "remove";
  const [was, is] = [before[name], after[name]];
  if (was?.bootId === is?.bootId) return "none";
  if (was === undefined) return "start";
  return was.disk === is?.disk ? "restart" : "rebuild";
}

/** The line of an OpenSSH private key that holds its secret half. */
function privatePart(key: string): string {
  const lines = key.trim().split("\n");
  const line = lines.at(-3) ?? "";
  if (line.length < 40) throw new Error("this is no OpenSSH private key");
  return line;
}
