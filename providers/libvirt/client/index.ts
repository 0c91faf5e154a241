export type * from "./api.ts";
export { createLibvirtClient } from "./client.ts";
export {
  type ConnectionErrorKind,
  isNotFound,
  LibvirtConnectionError,
  LibvirtError,
  LibvirtUriError,
} from "./errors.ts";
export type * from "./types.ts";
export { type LibvirtUri, parseLibvirtUri } from "./uri.ts";
