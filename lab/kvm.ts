import type { Known } from "../planning/facts.ts";
import { probeKvm } from "../tools/hypervisor/kvm-probe.ts";
import { isRemote } from "./remote.ts";

/** Whether KVM runs guests on the host of the lab; only a local host can be tried. */
export async function kvmFact(uri: string, cache: string): Promise<Known<boolean>> {
  if (isRemote(uri)) {
    return { known: false, why: "the host is remote and KVM can only be tried on the machine itself" };
  }
  const result = await probeKvm({ cache });
  return result.usable === undefined
    ? { known: false, why: result.reason }
    : { known: true, value: result.usable };
}
