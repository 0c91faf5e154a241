import { buildPart } from "../support/build.ts";

/** Compiles the SDKs in sdks/ where they are out of date. */
export default (): void => buildPart("--sdks");
