import { join } from "node:path";
import { projectRoot } from "../paths.ts";
import { summarisePreview } from "../report/preview-table.ts";
import { examplePlan, previewEvents } from "./changed-lab.ts";
import { labPicture } from "./lab-picture.ts";

/** A change with machines that stay, restart and come. */
const CHANGE = "compute_nodes: {count: 3, memory_gb: 4}";

/** The pictures of README.md with their files: the example's lab, drawn from its plan. */
export function pictures(): [file: string, content: string][] {
  const plan = examplePlan();
  const { machines } = summarisePreview(previewEvents(plan, examplePlan(CHANGE)));
  return (["light", "dark"] as const).map((theme) => [
    join(projectRoot(), "docs", "images", `lab-${theme}.svg`),
    labPicture(plan, { change: CHANGE, machines }, theme),
  ]);
}
