/**
 * What a Pulumi program of your own imports: `declareLab` for a whole cluster file; or the parts, to plan and declare
 * clusters in TypeScript.
 *
 * @example
 * import { declareLab } from "hyperlab";
 * export const lab = await declareLab({ file: "lab.yaml" });
 */
export * from "./components/hpc-cluster/index.ts";
export * from "./components/stack-identity/index.ts";
export * from "./config/index.ts";
export { declareLab, type LabArgs, type LabOutputs } from "./lab/declare-lab.ts";
export { whole } from "./lab/whole.ts";
export * from "./planning/index.ts";
