export { renderSeed, type SeedContent, type SeedKeys } from "./seed.ts";
