import { createLibvirtClient } from "../../providers/libvirt/client/index.ts";
import { readCache } from "../../providers/libvirt/host.ts";
import { findMark, findRecovery } from "../../providers/libvirt/ownership/index.ts";
import { child, parseXml } from "../../providers/libvirt/xml/index.ts";
import type { StackMark } from "./select.ts";

/** Every machine of a host that a stack of hyperlab made, by its mark. */
export async function readMarks(uri: string): Promise<StackMark[]> {
  const client = createLibvirtClient(uri);
  try {
    const domains = await readCache(client).domains.get();
    return domains.flatMap(({ ref, xml }) => {
      const metadata = child(parseXml(xml), "metadata");
      const mark = findMark(metadata);
      if (mark === undefined) return [];
      const record = findRecovery(metadata);
      const { owner, urn } = mark;
      return [{ machine: ref.name, owner, urn, ...(record === undefined ? {} : { record }) }];
    });
  } finally {
    await client.close();
  }
}
