export type { HpcClusterArgs, ImageBuild, NodeOutput, Verification } from "./args.ts";
export { HpcCluster } from "./hpc-cluster.ts";
