/**
 * Names the hypervisor that a connection URI leads to, so that two ways to the same one compare equal. User, port and
 * socket are ways, not targets. Undefined for text that is not a URI.
 */
export function targetOf(uri: string): string | undefined {
  const match = /^([a-z]+)(?:\+[a-z0-9]+)?:\/\/([^/?#]*)(\/[^?#]*)?/i.exec(uri);
  if (match === null) return undefined;
  const [, driver = "", authority = "", path = ""] = match;
  const host = authority.replace(/^.*@/, "").replace(/:\d+$/, "").toLowerCase();
  return `${driver.toLowerCase()}://${host}${path.replace(/\/+$/, "")}`;
}

/** True when both URIs lead to the same hypervisor. */
export function sameTarget(a: string, b: string): boolean {
  const target = targetOf(a);
  return a === b || (target !== undefined && target === targetOf(b));
}
