import type { CheckFailure } from "../../../plugin/types.ts";
import { type PropertyMap, reveal } from "../../../plugin/values.ts";
import { changesOf, checkInputs } from "../../schema/index.ts";
import { checkDevices } from "./check-devices.ts";
import { parseCpuset } from "./cpuset.ts";
import { rootTarget } from "./definition.ts";
import { itemsIn, numberIn, objectIn, stringIn } from "./members.ts";

/**
 * All problems of a domain's inputs, by path: what the field table finds, and what only several fields together show.
 * Values that are not known yet are not judged.
 */
export function checkDomain(
  inputs: PropertyMap,
  config: { readonly identitySecret: boolean },
): readonly CheckFailure[] {
  const plain = reveal(inputs);
  return [
    ...checkInputs("Domain", inputs),
    ...checkSizes(plain),
    ...checkCpu(plain),
    ...checkMemory(plain),
    ...checkFirmware(plain),
    ...checkDevices(plain, rootTarget),
    ...checkGuest(plain, config.identitySecret),
  ];
}

/** Changes that no update carries out, refused with the way out. A replacement makes all of them possible. */
export function checkChange(olds: PropertyMap, news: PropertyMap): readonly CheckFailure[] {
  const changes = changesOf("Domain", olds, news);
  if (changes.some((change) => change.effect === "replace")) return [];
  return changes.flatMap((change) =>
    change.effect === "forbidden"
      ? [{ property: change.path, reason: change.because ?? "cannot be changed" }]
      : [],
  );
}

const fail = (property: string, reason: string): CheckFailure => ({ property, reason });

function checkSizes(inputs: PropertyMap): CheckFailure[] {
  const found: CheckFailure[] = [];
  const vcpus = numberIn(inputs, "vcpus");
  const maxVcpus = numberIn(inputs, "maxVcpus");
  if (vcpus !== undefined && maxVcpus !== undefined && maxVcpus < vcpus) {
    found.push(fail("maxVcpus", `${maxVcpus} is less than vcpus, ${vcpus}`));
  }
  const memory = numberIn(inputs, "memoryMiB");
  const maxMemory = numberIn(inputs, "maxMemoryMiB");
  if (memory !== undefined && maxMemory !== undefined && maxMemory < memory) {
    found.push(fail("maxMemoryMiB", `${maxMemory} is less than memoryMiB, ${memory}`));
  }
  if (memory !== undefined && (maxMemory ?? memory) !== memory && itemsIn(inputs, "hostDevices").length > 0) {
    found.push(
      fail(
        "maxMemoryMiB",
        "must equal memoryMiB with host devices: they pin the whole memory, so it cannot change while the guest runs",
      ),
    );
  }
  return found;
}

/** Number of virtual CPUs that the guest can have; undefined while it is not known. */
function vcpuLimit(inputs: PropertyMap): number | undefined {
  return inputs.maxVcpus === undefined ? numberIn(inputs, "vcpus") : numberIn(inputs, "maxVcpus");
}

function checkCpu(inputs: PropertyMap): CheckFailure[] {
  const found: CheckFailure[] = [];
  const limit = vcpuLimit(inputs);
  const cpu = objectIn(inputs, "cpu");
  if (cpu !== undefined) {
    if (cpu.mode === "custom" && cpu.model === undefined) {
      found.push(fail("cpu.model", "is required with mode custom"));
    }
    if (
      cpu.mode !== undefined &&
      typeof cpu.mode === "string" &&
      cpu.mode !== "custom" &&
      cpu.model !== undefined
    ) {
      found.push(fail("cpu.model", `has no meaning with mode ${cpu.mode}; remove it or set mode to custom`));
    }
    found.push(...checkTopology(objectIn(cpu, "topology"), limit), ...checkCells(inputs, cpu, limit));
  }
  return [...found, ...checkPins(inputs, limit)];
}

function checkTopology(topology: PropertyMap | undefined, limit: number | undefined): CheckFailure[] {
  if (topology === undefined || limit === undefined) return [];
  const [sockets, cores, threads] = ["sockets", "cores", "threads"].map((part) => numberIn(topology, part));
  const dies = topology.dies === undefined ? 1 : numberIn(topology, "dies");
  if (sockets === undefined || dies === undefined || cores === undefined || threads === undefined) return [];
  const product = sockets * dies * cores * threads;
  return product === limit
    ? []
    : [
        fail(
          "cpu.topology",
          `${sockets} sockets × ${dies} dies × ${cores} cores × ${threads} threads are ${product} CPUs, but maxVcpus (or vcpus) is ${limit}; make them equal`,
        ),
      ];
}

function checkCells(inputs: PropertyMap, cpu: PropertyMap, limit: number | undefined): CheckFailure[] {
  const cells = itemsIn(cpu, "numaCells");
  if (cells.length === 0) return [];
  const found: CheckFailure[] = [];
  const owners = new Map<number, number>();
  for (const [index, cell] of cells.entries()) {
    const path = `cpu.numaCells[${index}].cpus`;
    const text = stringIn(cell, "cpus");
    if (text === undefined) continue;
    const cpus = parseCpuset(text);
    if (cpus === undefined) found.push(fail(path, `"${text}" is not a set of CPUs, for example 0-3`));
    for (const number of cpus ?? []) {
      if (limit !== undefined && number >= limit) {
        found.push(fail(path, `names virtual CPU ${number}; the guest has 0 to ${limit - 1}`));
        break;
      }
      const owner = owners.get(number);
      if (owner !== undefined) {
        found.push(fail(path, `virtual CPU ${number} is in cpu.numaCells[${owner}] already`));
        break;
      }
      owners.set(number, index);
    }
  }
  const sizes = cells.map((cell) => numberIn(cell, "memoryMiB"));
  const whole =
    inputs.maxMemoryMiB === undefined ? numberIn(inputs, "memoryMiB") : numberIn(inputs, "maxMemoryMiB");
  if (whole === undefined || sizes.includes(undefined)) return found;
  const sum = sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
  if (sum !== whole) {
    found.push(
      fail(
        "cpu.numaCells",
        `the cells have ${sum} MiB together, but maxMemoryMiB (or memoryMiB) is ${whole}; make them equal`,
      ),
    );
  }
  return found;
}

function checkPins(inputs: PropertyMap, limit: number | undefined): CheckFailure[] {
  const found: CheckFailure[] = [];
  const checkSet = (path: string, text: string | undefined) => {
    if (text !== undefined && parseCpuset(text) === undefined) {
      found.push(fail(path, `"${text}" is not a set of numbers, for example 4-5,8`));
    }
  };
  for (const [index, pin] of itemsIn(inputs, "cpuPins").entries()) {
    const vcpu = numberIn(pin, "vcpu");
    if (vcpu !== undefined && limit !== undefined && vcpu >= limit) {
      found.push(
        fail(`cpuPins[${index}].vcpu`, `there is no virtual CPU ${vcpu}; the guest has 0 to ${limit - 1}`),
      );
    }
    checkSet(`cpuPins[${index}].cpuset`, stringIn(pin, "cpuset"));
  }
  checkSet("emulatorPin", stringIn(inputs, "emulatorPin"));
  checkSet("numaTune.nodeset", stringIn(objectIn(inputs, "numaTune") ?? {}, "nodeset"));
  return found;
}

function checkMemory(inputs: PropertyMap): CheckFailure[] {
  const found: CheckFailure[] = [];
  const backing = objectIn(inputs, "memoryBacking");
  if (backing === undefined) return found;
  if (backing.hugepageKiB !== undefined && stringIn(backing, "source") === "memfd") {
    found.push(fail("memoryBacking.source", "memfd and huge pages do not go together; remove one of them"));
  }
  if (itemsIn(inputs, "filesystems").length === 0) return found;
  if (stringIn(backing, "access") === "private") {
    found.push(
      fail(
        "memoryBacking.access",
        "must be shared (or absent) with file systems: virtiofsd maps the guest's memory",
      ),
    );
  }
  if (stringIn(backing, "source") === "anonymous" && backing.hugepageKiB === undefined) {
    found.push(
      fail(
        "memoryBacking.source",
        "must be memfd or file (or absent) with file systems: anonymous memory cannot be shared",
      ),
    );
  }
  return found;
}

function checkFirmware(inputs: PropertyMap): CheckFailure[] {
  const firmware = objectIn(inputs, "firmware");
  if (firmware === undefined) return [];
  const found: CheckFailure[] = [];
  const type = stringIn(firmware, "type");
  if (firmware.secureBoot === true && type === "bios") {
    found.push(fail("firmware.secureBoot", "needs UEFI; set firmware.type to efi"));
  }
  const machine = inputs.machine === undefined ? "q35" : stringIn(inputs, "machine");
  if (firmware.secureBoot === true && machine !== undefined && !machine.includes("q35")) {
    found.push(fail("firmware.secureBoot", `needs machine q35, not ${machine}`));
  }
  if (firmware.enrolledKeys === true && (firmware.secureBoot ?? false) === false) {
    found.push(
      fail(
        "firmware.enrolledKeys",
        "has an effect only with Secure Boot; set firmware.secureBoot or remove it",
      ),
    );
  }
  return found;
}

function checkGuest(inputs: PropertyMap, identitySecret: boolean): CheckFailure[] {
  const found: CheckFailure[] = [];
  const without = inputs.guestAgent === false;
  const hook = objectIn(inputs, "quiesce")?.hook ?? "required";
  const wait = objectIn(inputs, "ready")?.wait ?? "hook";
  if (without && hook === "required") {
    found.push(
      fail(
        "quiesce.hook",
        "the guest cannot be asked without its agent; set guestAgent to true, or quiesce.hook to never",
      ),
    );
  }
  if (without && (wait === "hook" || wait === "agent")) {
    found.push(
      fail("ready.wait", `"${wait}" needs the guest agent; set guestAgent to true, or ready.wait to none`),
    );
  }
  if (inputs.deriveSshHostKey === true && without) {
    found.push(
      fail("deriveSshHostKey", "the key reaches the guest through its agent; set guestAgent to true"),
    );
  }
  if (inputs.deriveSshHostKey === true && !identitySecret) {
    found.push(fail("deriveSshHostKey", "needs identitySecret in the provider's configuration"));
  }
  for (const key of ["sshHostKeyGeneration", "loginPublicKey"] as const) {
    if (inputs[key] !== undefined && inputs.deriveSshHostKey !== true) {
      found.push(fail(key, "has an effect only with deriveSshHostKey; set that to true or remove it"));
    }
  }
  return found;
}
