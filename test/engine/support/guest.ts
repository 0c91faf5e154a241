/** A guest without an operating system, which idles and goes off when it is asked to by ACPI. */
import { truncateSync, writeFileSync } from "node:fs";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";

/**
 * Boot sector for machine q35: lets the power button raise its status (port 0x602), then sleeps between timer ticks and
 * looks at the status (port 0x600); when the button was pressed it asks for the sleep state "off" (port 0x604).
 */
const bootSector = [
  0xba,
  0x02,
  0x06, // mov dx, 0x602
  0xb8,
  0x00,
  0x01, // mov ax, 0x100
  0xef, // out dx, ax
  0xfb, // sti
  0xf4, // hlt
  0xba,
  0x00,
  0x06, // mov dx, 0x600
  0xed, // in ax, dx
  0xf6,
  0xc4,
  0x01, // test ah, 1
  0x74,
  0xf6, // jz hlt
  0xba,
  0x04,
  0x06, // mov dx, 0x604
  0xb8,
  0x00,
  0x20, // mov ax, 0x2000
  0xef, // out dx, ax
  0xeb,
  0xed, // jmp hlt
];

/** The same without an answer to the power button. */
const deafSector = [0xfb, 0xf4, 0xeb, 0xfd];

const megabyte = 1024 * 1024;

/**
 * Writes a disk image that boots into such a guest; the file is sparse. `deaf`: it ignores the power button. `text` makes
 * its content different.
 */
export function writeGuestImage(
  file: string,
  kind: "polite" | "deaf" = "polite",
  text = "",
  sizeMiB = 1,
): void {
  const image = Buffer.alloc(512);
  Buffer.from(kind === "polite" ? bootSector : deafSector).copy(image);
  image.write(text, 256);
  image.writeUInt16LE(0xaa55, 510);
  writeFileSync(file, image);
  truncateSync(file, sizeMiB * megabyte);
}

/** Inputs of a small emulated machine that no hook is asked about. */
export function machine(name: string, more: Partial<DomainInputs> = {}): DomainInputs {
  return {
    name,
    type: "qemu",
    vcpus: 1,
    memoryMiB: 64,
    guestAgent: false,
    rng: false,
    quiesce: { hook: "never" },
    ready: { wait: "none" },
    // A busy machine may need that long until the guest has booted and sees its power button.
    stop: { timeoutSeconds: 120, onTimeout: "fail" },
    ...more,
  };
}
