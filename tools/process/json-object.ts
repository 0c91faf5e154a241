/** The fields of a JSON object; undefined for anything else, for example half a file. Never throws. */
export function parseJsonObject(text: string): Record<string, unknown> | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  return typeof content === "object" && content !== null ? { ...content } : undefined;
}
