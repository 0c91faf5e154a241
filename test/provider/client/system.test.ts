import { afterEach, expect, it } from "vitest";
import { createLibvirtClient, type LibvirtClient } from "../../../providers/libvirt/client/index.ts";

let client: LibvirtClient | undefined;

afterEach(() => client?.close());

/* The machine's own daemon at its usual place; it is only looked at. */
it.each([
  ["qemu:///system", "QEMU"],
  ["test:///default", "TEST"],
])("%s is served by the machine's daemon", async (uri, type) => {
  client = createLibvirtClient(uri);
  expect(await client.getType()).toBe(type);
  expect(await client.getUri()).toBe(uri);
  for (const ref of await client.domainList()) {
    expect(await client.domainLookupByUuid(ref.uuid)).toMatchObject({ name: ref.name });
  }
});
