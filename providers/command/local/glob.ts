/** Globs as the command provider understands them: `*`, `**`, `?`, `[a-z]`, `[!a]`, `{a,b}`, and `\` before a literal. */

/**
 * Compiles a glob over paths with `/`. `*` and `?` do not match `/`; `**` matches everything.
 * @throws {Error} for a bracket or brace that is not closed.
 */
export function compileGlob(glob: string): (path: string) => boolean {
  const regex = new RegExp(`^${translate(glob)}$`, "su");
  return (path) => regex.test(path);
}

function translate(glob: string): string {
  let result = "";
  let depth = 0;
  for (let index = 0; index < glob.length; index++) {
    const character = glob[index] ?? "";
    if (character === "*") {
      const deep = glob[index + 1] === "*";
      if (deep) index++;
      result += deep ? ".*" : "[^/]*";
    } else if (character === "?") result += "[^/]";
    else if (character === "{") {
      depth++;
      result += "(?:";
    } else if (character === "}" && depth > 0) {
      depth--;
      result += ")";
    } else if (character === "," && depth > 0) result += "|";
    else if (character === "[") {
      const end = glob.indexOf("]", index + 2);
      if (end < 0) throw new Error(`the glob ${JSON.stringify(glob)} has a "[" without "]"`);
      result += characterClass(glob.slice(index + 1, end));
      index = end;
    } else if (character === "\\" && index + 1 < glob.length) {
      index++;
      result += literal(glob[index] ?? "");
    } else {
      // A surrogate pair must stay together in the expression.
      const point = String.fromCodePoint(glob.codePointAt(index) ?? 0);
      result += literal(point);
      index += point.length - 1;
    }
  }
  if (depth > 0) throw new Error(`the glob ${JSON.stringify(glob)} has a "{" without "}"`);
  return result;
}

function characterClass(content: string): string {
  const negated = content.startsWith("!");
  const body = (negated ? content.slice(1) : content).replace(/[\\\]^&[]/g, "\\$&").replace(/^-|-$/g, "\\-");
  return `[${negated ? "^/" : ""}${body}]`;
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

/** A list of globs: later ones win, `!` excludes. */
export function compileGlobs(globs: readonly string[]): (path: string) => boolean {
  const rules = globs.map((glob) => ({
    exclude: glob.startsWith("!"),
    matches: compileGlob(glob.replace(/^!/, "")),
  }));
  return (path) => rules.reduce((kept, rule) => (rule.matches(path) ? !rule.exclude : kept), false);
}
