export { type LoadedLab, type LoadOptions, loadLabFile, type RefusedLab } from "./load.ts";
export type * from "./model.ts";
export { nearest } from "./nearest.ts";
export { type Note, type Position, type Problem, printProblems } from "./problems.ts";
