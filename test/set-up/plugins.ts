import { buildPart } from "../support/build.ts";

/** Bundles the provider plugins and compiles the SDKs where they are out of date. */
export default (): void => buildPart("--plugins");
