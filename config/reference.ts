import { documentedSchema, type SchemaNode } from "./json-schema.ts";

const EFFECTS: readonly (readonly [string, string])[] = [
  ["none", "no machine and no service is touched; the value counts from the next run on"],
  ["live", "applied while machines run, or only machines come or go that the change names"],
  ["reconfigure", "SLURM reads a new configuration; machines and jobs go on"],
  ["restart", "each machine that it concerns is emptied, stopped and started"],
  ["rebuild", "as restart, with a new root disk; name, address, keys and state stay"],
  ["replace", "machines or networks are deleted and made again; where that would lose data, it is refused"],
];

const INTRODUCTION = `# The cluster file

Generated from the schema in \`config/schema/\`; do not edit. \`config/lab.schema.json\` is the same for editors: put
\`# yaml-language-server: $schema=PATH/lab.schema.json\` into the first line of a file.

One YAML file describes a lab. Unknown keys are refused, with all problems of the file at once; keys of \`network\` that
hyperlab does not know are reported and not applied, and so are keys of \`slurm_config\` that SLURM 24.11 does not know.
Text with a variable such as \`\${NAME}\` is refused; a literal dollar sign is written \`$$\`.

Older forms are accepted, each with a note: \`clusters.hpc\` as a list with one entry; \`network_range\` for \`subnet\`,
\`bridge_name\` for \`bridge\`; \`ip\` on the controller and \`ip_address\` on a listed compute node.

The effect of a changed value is one of:

`;

interface Section {
  title: string;
  text: string;
  node: SchemaNode;
}

/** The reference page \`docs/reference/cluster-file.md\`: every key with meaning, type, unit, default and effect. */
export function clusterFileReference(): string {
  const effects = EFFECTS.map(([name, text]) => `- **${name}**: ${text}`).join("\n");
  const sections = collect(documentedSchema(), "", "The file");
  return `${INTRODUCTION}${effects}\n\n${sections.map(page).join("\n")}`;
}

/** Maps with keys, in the order of the file: each becomes a section. */
function collect(node: SchemaNode, path: string, text: string): Section[] {
  if (node.anyOf !== undefined) return node.anyOf.flatMap((form) => collect(form, path, text));
  if (node.items !== undefined) return collect(node.items, `${path}[]`, text);
  const properties = Object.entries(node.properties ?? {});
  if (properties.length === 0) return [];
  const own: Section = { title: path === "" ? "The file" : `\`${path}\``, text, node };
  const below = properties.flatMap(([name, child]) =>
    collect(child, path === "" ? name : `${path}.${name}`, child.description ?? ""),
  );
  return [own, ...below];
}

function page({ title, text, node }: Section): string {
  const required = new Set(node.required ?? []);
  const rows = Object.entries(node.properties ?? {}).map(([name, child]) => {
    const cells = [
      `\`${name}\``,
      child.description ?? "",
      typeOf(child),
      child.unit ?? "",
      required.has(name) ? "required" : fallback(child),
      child.effect ?? "",
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  const head = "| Key | Meaning | Type | Unit | Default | A change |\n|-|-|-|-|-|-|";
  const intro = title === "The file" ? "" : `${text}\n\n`;
  return `## ${title}\n\n${intro}${head}\n${rows.join("\n")}\n`;
}

function typeOf(node: SchemaNode): string {
  if (node.const !== undefined) return code(node.const);
  if (node.enum !== undefined) return node.enum.map(code).join(", ");
  if (node.anyOf !== undefined) {
    const forms = node.anyOf.filter((form) => form.type !== "null").map(typeOf);
    const nullable = node.anyOf.some((form) => form.type === "null");
    return [...forms, ...(nullable ? ["null"] : [])].join(", or ");
  }
  if (node.items !== undefined) return `list of ${typeOf(node.items)}`;
  if (node.type === "object") return node.properties === undefined ? mapType(node) : "map";
  if (node.type === "integer") return integerType(node);
  if (node.type === "string") return node.form ?? "text";
  return node.type ?? "any";
}

const mapType = (node: SchemaNode): string =>
  typeof node.additionalProperties === "object" ? `map to ${typeOf(node.additionalProperties)}` : "map";

function integerType(node: SchemaNode): string {
  const max = node.maximum === Number.MAX_SAFE_INTEGER ? undefined : node.maximum;
  if (max === undefined) return `whole number from ${node.minimum}`;
  return `whole number from ${node.minimum} to ${max}`;
}

const code = (value: unknown): string => `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

function fallback(node: SchemaNode): string {
  if (node.defaultText !== undefined) return node.defaultText;
  if (node.default === undefined) return "none";
  const empty =
    typeof node.default === "object" && node.default !== null && Object.keys(node.default).length === 0;
  if (empty)
    return Array.isArray(node.default)
      ? "empty list"
      : node.properties === undefined
        ? "empty map"
        : "see below";
  return code(node.default);
}
