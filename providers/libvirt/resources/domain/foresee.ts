import type { UpdateRequest } from "../../../plugin/types.ts";
import { isArray, isObject, type PropertyMap, reveal, Unknown } from "../../../plugin/values.ts";
import { sshHostPublicKey } from "../../identity/index.ts";
import { ownedUuid } from "../../ownership/index.ts";
import { overlayName } from "./host/overlay.ts";
import type { Adoption } from "./lifecycle/adopt.ts";
import { nextGeneration } from "./lifecycle/rebuild.ts";
import type { DomainPlan } from "./plan/plan.ts";
import type { Run } from "./run.ts";
import { decodeState, formatPlace } from "./state.ts";

/** Everything that follows from the inputs; the rest is unknown until the machine is made. */
export function foreseeCreate(run: Run, raw: PropertyMap): PropertyMap {
  const inputs = reveal(raw);
  return {
    uuid: ownedUuid(run.provider.config.owner, run.urn),
    generation: new Unknown(),
    ...(inputs.rootDisk === undefined ? {} : { rootVolume: new Unknown() }),
    bootSeconds: inputs.running !== false && isWaitedFor(inputs) ? new Unknown() : 0,
    ...addressAndKey(run, inputs),
  };
}

/** The outputs of a machine that is adopted: what is there, under a new generation. */
export function foreseeAdoption(run: Run, raw: PropertyMap, { state, plan, mark }: Adoption): PropertyMap {
  const inputs = reveal(raw);
  const measured = plan.starts && mark.pending === "boot" && isWaitedFor(inputs);
  return {
    uuid: state.uuid,
    generation: new Unknown(),
    ...(state.rootVolume === undefined ? {} : { rootVolume: formatPlace(state.rootVolume) }),
    bootSeconds: measured ? new Unknown() : state.bootSeconds,
    ...addressAndKey(run, inputs),
  };
}

/** True where a machine with these inputs is not only started, but waited for. */
function isWaitedFor(inputs: PropertyMap): boolean {
  return !isObject(inputs.ready) || inputs.ready.wait !== "none";
}

/** True where the update may measure the first boot of a root disk, or makes one that is not booted yet. */
export function measures(plan: DomainPlan, state: PropertyMap): boolean {
  return plan.newRootDisk || (plan.starts && state.pending === "boot");
}

function addressAndKey(run: Run, inputs: PropertyMap): PropertyMap {
  const interfaces = isArray(inputs.interfaces) ? inputs.interfaces : [];
  const addresses = interfaces.map((nic) => (isObject(nic) ? nic.address : undefined));
  const address = addresses.find((candidate) => candidate !== undefined && candidate !== null);
  const secret = run.provider.config.identitySecret;
  const { name, sshHostKeyGeneration: generation = 1 } = inputs;
  const key =
    inputs.deriveSshHostKey !== true || secret === undefined
      ? undefined
      : typeof name === "string" && typeof generation === "number"
        ? sshHostPublicKey(secret, name, generation)
        : new Unknown();
  return {
    ...(address === undefined ? {} : { address }),
    ...(key === undefined ? {} : { sshHostPublicKey: key }),
  };
}

/** The outputs after the update. A new root disk has a name that is known before it is made. */
export function foreseeUpdate(run: Run, request: UpdateRequest, plan: DomainPlan): PropertyMap {
  const inputs = reveal(request.inputs);
  const state = decodeState(request.state);
  const kept: PropertyMap = {
    uuid: state.uuid,
    generation: state.generation,
    ...(state.rootVolume === undefined ? {} : { rootVolume: formatPlace(state.rootVolume) }),
    ...(state.imported ? { imported: true } : {}),
    ...(request.state.quiesceHook === undefined ? {} : { quiesceHook: request.state.quiesceHook }),
    bootSeconds: !measures(plan, request.state)
      ? state.bootSeconds
      : plan.starts && isWaitedFor(inputs)
        ? new Unknown()
        : 0,
    ...addressAndKey(run, inputs),
  };
  const root = inputs.rootDisk;
  if (!plan.newRootDisk || !isObject(root)) return kept;
  const { image, pool } = root;
  if (typeof image !== "string" || typeof pool !== "string") {
    return { ...kept, generation: new Unknown(), rootVolume: new Unknown() };
  }
  const generation = nextGeneration(state.generation, image);
  return {
    ...kept,
    generation,
    rootVolume: formatPlace({ pool, volume: overlayName(run.name, generation) }),
  };
}
