import { configValue } from "../plugin/config.ts";
import { ProviderError } from "../plugin/errors.ts";
import type { CheckRequest, CheckResult, DiffRequest, DiffResult } from "../plugin/types.ts";
import { containsUnknown, type PropertyMap } from "../plugin/values.ts";
import type { ProviderContext } from "./context.ts";
import { diffResult, refusals } from "./resources/effects.ts";
import { changesOf, checkInputs, decodeInputs, targetOf } from "./schema/index.ts";

const drivers = ["qemu", "test"];

/** The provider's own inputs without what the engine adds, booleans as such. */
function ownInputs(config: PropertyMap): PropertyMap {
  const { uri, owner, identitySecret, refreshBeforeUpdate } = config;
  return { uri, owner, identitySecret, refreshBeforeUpdate: configValue(refreshBeforeUpdate, "boolean") };
}

/** Checks the provider's configuration, without asking the host. */
export function checkConfig(request: CheckRequest): CheckResult {
  const news = ownInputs(request.news);
  const failures = checkInputs("Config", news);
  const { uri } = news;
  if (typeof uri === "string") {
    const target = targetOf(uri);
    if (target === undefined || !drivers.some((driver) => target.startsWith(`${driver}://`))) {
      failures.push({
        property: "uri",
        reason: `"${uri}" is not a URI that is served; write for example qemu:///system or qemu+ssh://root@host/system`,
      });
    }
  }
  return {
    inputs: request.news,
    failures: [...failures, ...refusals("Config", ownInputs(request.olds), news)],
  };
}

/** Replaces everything only when the configuration leads to another host. */
export function diffConfig(request: DiffRequest): DiffResult {
  const changes = changesOf("Config", ownInputs(request.oldInputs), ownInputs(request.news));
  const replaced = changes.some((change) => change.effect === "replace");
  if (replaced) return diffResult(changes, { deleteBeforeReplace: true });
  const detailed = changes.map((change) => [change.path, { kind: change.kind, inputDiff: true }] as const);
  return { changes: changes.length > 0 ? "some" : "none", detailedDiff: Object.fromEntries(detailed) };
}

/** The configuration with defaults. */
export function readConfig(config: PropertyMap): ProviderContext["config"] {
  const own = ownInputs(config);
  if (containsUnknown(own)) {
    throw new ProviderError(
      "the provider's configuration is not known yet. Give uri and owner values that a preview knows, for example from a Stash.",
      "failedPrecondition",
    );
  }
  const decoded = decodeInputs("Config", own);
  return { ...decoded, refreshBeforeUpdate: decoded.refreshBeforeUpdate ?? true };
}
