export { poolHandler } from "./handler.ts";
export { type PoolFacts, parsePool, renderPool } from "./xml.ts";
