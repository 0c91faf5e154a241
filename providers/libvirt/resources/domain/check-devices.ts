import { isIPv4 } from "node:net";
import type { CheckFailure } from "../../../plugin/types.ts";
import type { PropertyMap } from "../../../plugin/values.ts";
import { itemsIn, objectIn, stringIn } from "./members.ts";
import { parsePciAddress } from "./pci.ts";

const fail = (property: string, reason: string): CheckFailure => ({ property, reason });
const hostnamePattern =
  /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** Problems of a domain's devices that only several fields together show. */
export function checkDevices(inputs: PropertyMap, rootTarget: string): CheckFailure[] {
  return [
    ...checkDisks(inputs, rootTarget),
    ...checkInterfaces(inputs),
    ...checkHostDevices(inputs),
    ...checkFilesystems(inputs),
  ];
}

function checkDisks(inputs: PropertyMap, rootTarget: string): CheckFailure[] {
  const found: CheckFailure[] = [];
  const root = objectIn(inputs, "rootDisk");
  const users = new Map<string, string>();
  const image = root === undefined ? undefined : stringIn(root, "image");
  if (root !== undefined && image !== undefined)
    users.set(`${stringIn(root, "pool")}/${image}`, "rootDisk.image");
  for (const [index, disk] of itemsIn(inputs, "disks").entries()) {
    const path = `disks[${index}]`;
    const cdrom = disk.device === "cdrom";
    const target = stringIn(disk, "target");
    if (target !== undefined && !(cdrom ? /^sd[a-z]{1,2}$/ : /^vd[a-z]{1,2}$/).test(target)) {
      found.push(
        fail(
          `${path}.target`,
          `"${target}" is no ${cdrom ? "drive, for example sda" : "virtio disk, for example vdb"}`,
        ),
      );
    }
    if (root !== undefined && target === rootTarget) {
      found.push(fail(`${path}.target`, `${rootTarget} is the root disk; use vdb or a later one`));
    }
    const serial = stringIn(disk, "serial");
    if (serial !== undefined && !/^[A-Za-z0-9_.+-]{1,20}$/.test(serial)) {
      found.push(
        fail(
          `${path}.serial`,
          `"${serial}" must be 1 to 20 letters, digits or one of _ . + -: the guest sees no more`,
        ),
      );
    }
    const kind = cdrom ? "cdrom" : disk.seed === true ? "seed" : undefined;
    if (kind !== undefined && disk.readOnly === false) {
      found.push(fail(`${path}.readOnly`, `a ${kind} is always read-only; leave it out`));
    }
    const pool = stringIn(disk, "pool");
    const volume = stringIn(disk, "volume");
    if (pool === undefined || volume === undefined) continue;
    const user = users.get(`${pool}/${volume}`);
    if (user !== undefined)
      found.push(fail(`${path}.volume`, `${pool}/${volume} is used by ${user} already`));
    users.set(`${pool}/${volume}`, path);
  }
  return found;
}

function checkInterfaces(inputs: PropertyMap): CheckFailure[] {
  const found: CheckFailure[] = [];
  const addresses = new Map<string, number>();
  for (const [index, nic] of itemsIn(inputs, "interfaces").entries()) {
    const path = `interfaces[${index}]`;
    if ((nic.network === undefined) === (nic.bridge === undefined)) {
      found.push(fail(path, "needs exactly one of network and bridge"));
    }
    const mac = stringIn(nic, "mac");
    if (mac !== undefined && /^[0-9a-f][13579bdf]:/.test(mac)) {
      found.push(fail(`${path}.mac`, `${mac} is a group address; the first byte must be even`));
    }
    const address = stringIn(nic, "address");
    if (address !== undefined) {
      const first = addresses.get(address);
      if (!isIPv4(address)) found.push(fail(`${path}.address`, `"${address}" is no IPv4 address`));
      else if (first !== undefined) {
        found.push(fail(`${path}.address`, `${address} is the address of interfaces[${first}] already`));
      }
      addresses.set(address, index);
    }
    if (nic.address !== undefined && nic.network === undefined) {
      found.push(
        fail(`${path}.address`, "a reservation needs a libvirt network; a bridge has no DHCP of libvirt"),
      );
    }
    const filterAddress = stringIn(nic, "filterAddress");
    if (nic.filterAddress !== undefined && nic.filter === undefined) {
      found.push(fail(`${path}.filterAddress`, "belongs to the filter and has no effect without filter"));
    } else if (filterAddress !== undefined && !isIPv4(filterAddress)) {
      found.push(fail(`${path}.filterAddress`, `"${filterAddress}" is no IPv4 address`));
    }
    const hostname = stringIn(nic, "hostname");
    if (nic.hostname !== undefined && nic.address === undefined) {
      found.push(fail(`${path}.hostname`, "belongs to the reservation and has no effect without address"));
    } else if (hostname !== undefined && !hostnamePattern.test(hostname)) {
      found.push(fail(`${path}.hostname`, `"${hostname}" is no host name`));
    }
    if (address !== undefined && nic.hostname === undefined) {
      const name = stringIn(inputs, "name");
      if (name !== undefined && !hostnamePattern.test(name)) {
        found.push(
          fail(`${path}.hostname`, `is required, because the domain's name "${name}" is no host name`),
        );
      }
    }
  }
  return found;
}

function checkHostDevices(inputs: PropertyMap): CheckFailure[] {
  const found: CheckFailure[] = [];
  const places = new Map<string, number>();
  for (const [index, device] of itemsIn(inputs, "hostDevices").entries()) {
    const path = `hostDevices[${index}]`;
    const guest = stringIn(device, "guestAddress");
    if (device.multifunction === true && device.guestAddress === undefined) {
      found.push(
        fail(`${path}.multifunction`, "needs guestAddress: functions share a slot only at a fixed address"),
      );
    }
    for (const name of ["address", "guestAddress"]) {
      const text = stringIn(device, name);
      if (text !== undefined && parsePciAddress(text) === undefined) {
        found.push(fail(`${path}.${name}`, `"${text}" is no PCI address, for example 0000:41:00.0`));
      }
    }
    if (guest === undefined) continue;
    const first = places.get(guest);
    if (first !== undefined) {
      found.push(fail(`${path}.guestAddress`, `${guest} is the address of hostDevices[${first}] already`));
    }
    places.set(guest, index);
  }
  return found;
}

function checkFilesystems(inputs: PropertyMap): CheckFailure[] {
  return itemsIn(inputs, "filesystems").flatMap((filesystem, index) => {
    const path = `filesystems[${index}]`;
    const hostPath = stringIn(filesystem, "hostPath");
    const tag = stringIn(filesystem, "tag");
    return [
      ...(hostPath !== undefined && !hostPath.startsWith("/")
        ? [fail(`${path}.hostPath`, `"${hostPath}" must be an absolute path of the host`)]
        : []),
      ...(tag !== undefined && (tag === "" || Buffer.byteLength(tag) > 36)
        ? [fail(`${path}.tag`, "must have 1 to 36 bytes")]
        : []),
    ];
  });
}
