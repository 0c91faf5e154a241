/**
 * Guests of 512 bytes: a boot sector that the machine's BIOS starts. They run under emulation within a second and show
 * how a real machine behaves at start and stop, without an operating system.
 */

const origin = 0x7c00;
const sectorBytes = 512;

const word = (value: number) => [value & 0xff, (value >> 8) & 0xff];
const double = (value: number) => [...word(value & 0xffff), ...word(value >>> 16)];

/** Registers of the chipset's power management, where the BIOS puts them on q35. */
const powerStatus = 0x600;
const powerEnable = 0x602;
const powerControl = 0x604;

/** Enables the power button; when it is pressed, switches the machine off. Sleeps in between. */
const obeyPowerButton = [
  ...[0xba, ...word(powerEnable)], // mov dx, enable
  ...[0xb8, ...word(0x100)], // mov ax, power button
  0xef, // out dx, ax
  ...[0xfb, 0xf4], // again: sti; hlt
  ...[0xba, ...word(powerStatus)], // mov dx, status
  0xed, // in ax, dx
  ...[0xf6, 0xc4, 0x01], // test ah, 1
  ...[0x74, 0xf5], // jz again
  ...[0xba, ...word(powerControl)], // mov dx, control
  ...[0xb8, ...word(0x2000)], // mov ax, sleep state 5
  0xef, // out dx, ax
  ...[0xf4, 0xeb, 0xfd], // hlt for ever
];

/** Ignores the power button. */
const ignorePowerButton = [0xfb, 0xf4, 0xeb, 0xfc]; // again: sti; hlt; jmp again

/** Registers of ACPI's hot-plug on q35: the bus that is asked about, what shall go from it, and what may. */
const [hotplugBus, hotplugDown, hotplugEject] = [0xcd0, 0xcc4, 0xcc8];

/** Lets go of every device that it is asked for, as an operating system does. Ignores the power button. */
const releaseDevices = [
  ...[0xfb, 0xf4], // again: sti; hlt
  ...[0xb9, ...word(32)], // mov cx, 32
  ...[0x66, 0x0f, 0xb7, 0xc1], // bus: movzx eax, cx
  ...[0x66, 0x48], // dec eax
  ...[0xba, ...word(hotplugBus)], // mov dx, bus
  ...[0x66, 0xef], // out dx, eax
  ...[0xba, ...word(hotplugDown)], // mov dx, down
  ...[0x66, 0xed], // in eax, dx
  ...[0x66, 0x85, 0xc0], // test eax, eax
  ...[0x74, 0x05], // jz next
  ...[0xba, ...word(hotplugEject)], // mov dx, eject
  ...[0x66, 0xef], // out dx, eax
  ...[0xe2, 0xe4], // next: loop bus
  ...[0xeb, 0xdd], // jmp again
];

/** Writes 32 KiB after 32 KiB to its disk, from 1 MiB to `untilMiB`; then obeys the power button. */
function writeDisk(untilMiB: number): number[] {
  const prologue = [
    ...[0x31, 0xc0], // xor ax, ax
    ...[0x8e, 0xd8], // mov ds, ax
    ...[0x8e, 0xd0], // mov ss, ax
    ...[0xbc, ...word(0x7000)], // mov sp, 0x7000
  ];
  const packet = origin + 0x100;
  const lba = packet + 8;
  const loop = [
    ...[0xbe, ...word(packet)], // mov si, packet
    ...[0xb8, ...word(0x4300)], // mov ax, write
    ...[0xcd, 0x13], // int 0x13
    ...[0x66, 0x83, 0x06, ...word(lba), 0x40], // add dword [lba], 64
    ...[0x66, 0x81, 0x3e, ...word(lba), ...double(untilMiB * 2048)], // cmp dword [lba], end
  ];
  const code = [...prologue, ...loop, 0x72, 256 - (loop.length + 2), ...obeyPowerButton];
  const request = [0x10, 0, ...word(64), ...word(0), ...word(0x1000), ...double(2048), ...double(0)];
  return [...code, ...Array.from({ length: 0x100 - code.length }, () => 0), ...request];
}

function bootSector(code: readonly number[]): Buffer {
  const sector = Buffer.alloc(sectorBytes);
  Buffer.from(code).copy(sector);
  sector.writeUInt16LE(0xaa55, sectorBytes - 2);
  return sector;
}

/** Disk images by what the guest does, as raw bytes of one MiB. An obedient one shows by a MiB that it has booted. */
export const guestImages = {
  obedient: image(writeDisk(2)),
  stubborn: image(ignorePowerButton),
  writing: image(writeDisk(24)),
  releasing: image(releaseDevices),
};

function image(code: readonly number[]): Buffer {
  return Buffer.concat([bootSector(code)], 1024 * 1024);
}
