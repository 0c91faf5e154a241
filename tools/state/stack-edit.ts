import { parseDocument } from "yaml";

/** One edit of a stack's configuration. */
export interface StackConfigEdit {
  /** Where, below `config`, for example `["hyperlab:keys", "slurm-key"]`. */
  readonly path: readonly [string, ...string[]];
  /** What is to be there; undefined removes it, and the mappings around it that are empty then. */
  readonly value: unknown;
}

/**
 * The text of a stack file (Pulumi.STACK.yaml) with its configuration edited. Comments, order and everything else stay
 * as they are.
 *
 * @throws Error where the file is no mapping with a mapping `config`, or where an edit leads through something else.
 */
export function editStackConfig(text: string, edits: readonly StackConfigEdit[]): string {
  const document = parseDocument(text);
  const problem = document.errors[0];
  if (problem) throw new Error(`the stack file is not valid YAML: ${problem.message}`);
  for (const { path, value } of edits) {
    const whole = ["config", ...path];
    for (let length = 0; length < whole.length; length += 1) {
      const parent = whole.slice(0, length);
      const found: unknown = length === 0 ? document.toJS() : plain(document.getIn(parent));
      if (found === undefined || found === null) {
        // `key:` without a value holds a null, below which nothing can be set.
        if (length > 0 && document.hasIn(parent)) document.deleteIn(parent);
        break;
      }
      if (!isMapping(found)) {
        throw new Error(`the stack file has no mapping at ${parent.join(" > ") || "its top"}`);
      }
    }
    // A plain value takes the place of another one in its node, which has the comment beside it.
    if (value !== undefined)
      document.setIn(whole, typeof value === "object" ? document.createNode(value) : value);
    else removeWithEmptyParents(document, whole);
  }
  return document.toString({ lineWidth: 0 });
}

type StackDocument = ReturnType<typeof parseDocument>;

function removeWithEmptyParents(document: StackDocument, path: readonly string[]): void {
  if (!document.hasIn(path)) return;
  document.deleteIn(path);
  for (let length = path.length - 1; length > 0; length -= 1) {
    const parent = path.slice(0, length);
    const found = plain(document.getIn(parent));
    if (!isMapping(found) || Object.keys(found).length > 0) return;
    document.deleteIn(parent);
  }
}

/** A node of the document as plain data. */
function plain(node: unknown): unknown {
  const hasPlainForm = typeof node === "object" && node !== null && "toJSON" in node;
  return hasPlainForm && typeof node.toJSON === "function" ? node.toJSON() : node;
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
