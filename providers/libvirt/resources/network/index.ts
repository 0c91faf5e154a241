export { leftBridgeFix } from "./apply.ts";
export { networkHandler } from "./handler.ts";
export { type NetworkFacts, parseNetwork, renderNetwork } from "./xml.ts";
