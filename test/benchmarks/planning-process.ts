/** One reading and planning; arguments: number of nodes, `count` or `array`. Prints figures as JSON. */
import { controllerDocument } from "../../planning/index.ts";
import { arrayFile, countFile, factsFor, load, planOf } from "./cluster.ts";
import { peakOf } from "./processes.ts";

export interface PlanningResult {
  readonly loadSeconds: number;
  readonly planSeconds: number;
  readonly peakMB: number;
}

const [nodes = "1000", kind = "count"] = process.argv.slice(2);
const text = kind === "array" ? arrayFile(Number(nodes)) : countFile(Number(nodes));
const start = performance.now();
const config = load(text);
const loaded = performance.now();
const plan = planOf(config, factsFor(config, { path: "/images/base.qcow2", id: "benchmark" }));
controllerDocument(plan, () => `ssh-ed25519 ${"A".repeat(68)}`);
const result: PlanningResult = {
  loadSeconds: (loaded - start) / 1000,
  planSeconds: (performance.now() - loaded) / 1000,
  peakMB: peakOf(process.pid),
};
process.stdout.write(JSON.stringify(result));
