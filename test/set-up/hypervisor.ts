import { ensureHypervisor } from "../../tools/hypervisor/ensure.ts";
import { cacheFolder } from "../../tools/paths.ts";
import { consoleReporter } from "../../tools/report/progress.ts";

/** Sets up libvirt, QEMU and what tests need beside them where they are missing; without the rights to do so the tests fail and say what to type. */
export default async function hypervisor(): Promise<void> {
  await ensureHypervisor({
    cache: cacheFolder(),
    report: consoleReporter(),
    interactive: false,
    runsTests: true,
  });
}
