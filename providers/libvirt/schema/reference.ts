import { effectsOf, type FieldRow, type ResourceName } from "./effects.ts";
import { functions, type MemberSpec } from "./functions.ts";
import { outputs, resourceTexts } from "./outputs.ts";
import { effectText } from "./pulumi-schema.ts";

const introduction = `# The libvirt provider

<!-- Written by \`node providers/libvirt/schema/generate.ts\` from the tables in \`providers/libvirt/schema/\`. -->

Package \`@pulumi/libvirt\`. Every input is listed with what a change of it does:

| change | means |
|-|-|
| none | recorded; nothing on the host changes |
| live | applied to the running object and its definition |
| restart | the machine is quiesced, stopped, redefined and started; a network is stopped and started |
| rebuild | as restart, with a new root overlay; the old one is deleted when the new guest is ready |
| replace | deleted and made anew |
| forbidden | refused at preview with the way out |
`;

/** The reference page in Markdown. */
export function referenceText(): string {
  const sections = (["Config", "Pool", "Volume", "Network", "Domain"] as const).map(resourceSection);
  const calls = Object.keys(functions).map(functionSection);
  return `${[introduction, ...sections, ...calls].join("\n").trimEnd()}\n`;
}

function resourceSection(name: ResourceName): string {
  const title = name === "Config" ? "Provider configuration" : name;
  const inputs = [
    "| input | type | default | change | meaning |",
    "|-|-|-|-|-|",
    ...effectsOf(name).map(inputLine),
  ];
  const made = name === "Config" ? [] : outputLines(name);
  return [`## ${title}`, "", resourceTexts[name], "", ...inputs, "", ...made].join("\n");
}

function inputLine(row: FieldRow): string {
  const values = Object.entries(row.values ?? {}).map(([value, text]) => `\`${value}\`: ${text}`);
  const meaning = [
    row.description,
    ...values,
    row.example === undefined ? "" : `Example: \`${row.example}\`.`,
    row.secret ? "Secret." : "",
  ].filter((part) => part !== "");
  const type = row.unit === undefined ? row.type : `${row.type}, ${row.unit}`;
  const fallback = row.required ? "required" : (row.default ?? "–");
  return `| ${[`\`${row.path}\``, type, fallback, effectText(row.effect), meaning.join(" ")].map(cell).join(" | ")} |`;
}

function outputLines(name: Exclude<ResourceName, "Config">): string[] {
  const lines = Object.entries(outputs[name]).map(
    ([key, spec]) => `| \`${key}\` | ${spec.type} | ${cell(spec.description)} |`,
  );
  return ["| output | type | meaning |", "|-|-|-|", ...lines, ""];
}

function functionSection(name: string): string {
  const spec = functions[name];
  if (spec === undefined) return "";
  const table = (title: string, members: Readonly<Record<string, MemberSpec>>) =>
    Object.keys(members).length === 0
      ? []
      : [`| ${title} | type | meaning |`, "|-|-|-|", ...memberLines(members, ""), ""];
  return [
    `## ${name}`,
    "",
    spec.description,
    "",
    ...table("argument", spec.inputs),
    ...table("result", spec.outputs),
  ].join("\n");
}

function memberLines(members: Readonly<Record<string, MemberSpec>>, prefix: string): string[] {
  return Object.entries(members).flatMap(([name, member]) => {
    const type = member.type === "strings" ? "list of string" : (member.typeName ?? member.type);
    const unit = member.unit === undefined ? "" : `, ${member.unit}`;
    const text = member.optional === true ? `${member.description} Optional.` : member.description;
    const line = `| \`${prefix}${name}\` | ${type}${unit} | ${cell(text)} |`;
    return [line, ...memberLines(member.fields ?? {}, `${prefix}${name}[].`)];
  });
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
