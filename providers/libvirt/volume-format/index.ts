export { type IsoFile, makeIso } from "./iso.ts";
export { parseQcow2Header, type Qcow2Header } from "./qcow2.ts";
export { type Recognised, recognise, recogniseBytes } from "./recognise.ts";
