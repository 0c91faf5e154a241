export type { HpcClusterArgs, ImageBuild, NodeOutput, Verification } from "./args.ts";
export { HpcCluster } from "./hpc-cluster.ts";
export {
  type KeyGenerations,
  ROTATED_KEYS,
  type RotatedKey,
  readKeyGenerations,
} from "./key-generations.ts";
