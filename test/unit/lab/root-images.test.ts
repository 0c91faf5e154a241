import { expect, it } from "vitest";
import { rootDiskOf } from "../../../lab/root-images.ts";

const disk = (target: string, inside: string) => `<disk><target dev='${target}'/>${inside}</disk>`;
const domain = (...disks: string[]) => `<domain><devices>${disks.join("")}</devices></domain>`;

it("the image below a running machine's root disk is the first layer below it", () => {
  const below =
    "<backingStore type='file'><format type='qcow2'/><source file='/pool/base.qcow2'/><backingStore/></backingStore>";
  const xml = domain(
    disk("vdb", "<source file='/pool/state.qcow2'/><backingStore/>"),
    disk("vda", `<source file='/pool/root.qcow2'/>${below}`),
  );
  expect(rootDiskOf(xml)).toEqual({ file: "/pool/root.qcow2", backing: "/pool/base.qcow2" });
});

it("a definition names the disk alone, and a machine without one has none", () => {
  expect(rootDiskOf(domain(disk("vda", "<source file='/pool/root.qcow2'/>")))).toEqual({
    file: "/pool/root.qcow2",
  });
  expect(rootDiskOf(domain())).toEqual({});
});
