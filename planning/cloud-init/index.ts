export { type Bootstrap, type BootstrapFile, renderSeed, type SeedContent, type SeedKeys } from "./seed.ts";
