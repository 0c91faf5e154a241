import { errorCodeName, errorDomainName } from "./error-names.ts";

/** What the daemon itself answered: the call reached it, and it refused or failed. */
export class LibvirtError extends Error {
  override readonly name = "LibvirtError";
  /** libvirt's error number (virErrorNumber), for example 42. */
  readonly code: number;
  /** libvirt's name of the number, for example `VIR_ERR_NO_DOMAIN`; `VIR_ERR_<number>` where it is unknown. */
  readonly codeName: string;
  /** Part of libvirt that raised the error (virErrorDomain), for example `VIR_FROM_QEMU`. */
  readonly domain: string;
  readonly level: "none" | "warning" | "error";
  /** libvirt's own text, unchanged. */
  readonly text: string;
  /** The function that was called, for example `domainCreate`. */
  readonly operation: string;
  /** What it was called on, for example `domain node-1`; empty for calls on the host. */
  readonly target: string;

  constructor(fields: {
    code: number;
    domain: number;
    level: number;
    text: string;
    operation: string;
    target: string;
  }) {
    const codeName = errorCodeName(fields.code);
    const on = fields.target === "" ? "" : ` on ${fields.target}`;
    super(`libvirt refused ${fields.operation}${on}: ${fields.text} (${codeName}, code ${fields.code})`);
    this.code = fields.code;
    this.codeName = codeName;
    this.domain = errorDomainName(fields.domain);
    this.level = fields.level === 1 ? "warning" : fields.level === 0 ? "none" : "error";
    this.text = fields.text;
    this.operation = fields.operation;
    this.target = fields.target;
  }
}

/** Why a call got no answer from the daemon. */
export type ConnectionErrorKind =
  /** No connection could be made: no socket, no rights, ssh failed, authentication refused. */
  | "unreachable"
  /** The connection broke, or keep-alive found it dead, while the call was under way. */
  | "lost"
  /** No answer within the call's deadline. */
  | "deadline"
  /** The other side sent something that is not libvirt's protocol, or more than it may. */
  | "protocol"
  /** The client was closed. */
  | "closed";

/**
 * The transport failed. It says nothing about the object that the call was about: never take it for "no such object".
 */
export class LibvirtConnectionError extends Error {
  override readonly name = "LibvirtConnectionError";
  readonly kind: ConnectionErrorKind;
  /**
   * `not-done`: nothing was changed (the call never left, or only reads). `unknown`: the daemon may have carried it out;
   * look before trying again.
   */
  readonly outcome: "not-done" | "unknown";
  /** The connection's URI. */
  readonly uri: string;

  constructor(
    message: string,
    fields: { kind: ConnectionErrorKind; outcome: "not-done" | "unknown"; uri: string; cause?: unknown },
  ) {
    super(message, fields.cause === undefined ? {} : { cause: fields.cause });
    this.kind = fields.kind;
    this.outcome = fields.outcome;
    this.uri = fields.uri;
  }
}

/** A URI that this client does not serve, or that is malformed. */
export class LibvirtUriError extends Error {
  override readonly name = "LibvirtUriError";
}

/**
 * True where libvirt itself answered, also within another error: what came of the call is known. After a broken connection
 * or an abort it is not, so what was begun is better kept for the next run than half removed.
 */
export function isRefusal(error: unknown): boolean {
  return error instanceof LibvirtError || (error instanceof Error && error.cause instanceof LibvirtError);
}

/** True if the daemon said that the domain, network, pool or volume does not exist. */
export function isNotFound(error: unknown): error is LibvirtError {
  return error instanceof LibvirtError && notFoundCodes.has(error.codeName);
}

const notFoundCodes = new Set([
  "VIR_ERR_NO_DOMAIN",
  "VIR_ERR_NO_NETWORK",
  "VIR_ERR_NO_STORAGE_POOL",
  "VIR_ERR_NO_STORAGE_VOL",
  "VIR_ERR_NO_NODE_DEVICE",
  "VIR_ERR_NO_DOMAIN_METADATA",
  "VIR_ERR_NO_NETWORK_METADATA",
]);
