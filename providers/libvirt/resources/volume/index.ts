export { volumeHandler } from "./handler.ts";
export { fromMiB, type NewVolume, parseVolume, renderVolume, toMiB, type VolumeFacts } from "./xml.ts";
