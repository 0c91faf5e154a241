import { type ConfLine, pairValue } from "../conf-text.ts";
import { type Parsed, parameterValue, type Report } from "./input.ts";

/** Generic resources of a node line: `gpu:a100:2,gpu:1`. */
function gresOf(line: ConfLine): { name: string; type: string | undefined }[] {
  const written = pairValue(line, "Gres") ?? "";
  return written
    .split(",")
    .filter((item) => item !== "" && item !== "(null)")
    .map((item) => {
      const [name = "", second] = item.replace(/\(.*\)$/, "").split(":");
      return { name, type: second === undefined || /^\d+[kKmMgG]?$/.test(second) ? undefined : second };
    });
}

/** A resource on a node line that GresTypes does not name is dropped without a word. */
export function gresTypes({ slurm, nodes }: Parsed, report: Report): void {
  const types = new Set((parameterValue(slurm, "GresTypes") ?? "").split(","));
  for (const { line } of nodes) {
    for (const { name } of gresOf(line)) {
      if (types.has(name)) continue;
      const text = `the node has ${name}, but GresTypes does not name it: slurmctld drops the resource`;
      report("slurm.conf", line.number, text, `Add GresTypes=${name}.`);
    }
  }
}

/** A resource on a node line that gres.conf does not describe. */
export function gresConf({ nodes, gres }: Parsed, report: Report): void {
  const described = gres.map((line) => ({
    name: pairValue(line, "Name"),
    type: pairValue(line, "Type"),
    auto: pairValue(line, "AutoDetect"),
  }));
  const detects = described.some(({ auto }) => auto !== undefined && !/^off$/i.test(auto));
  for (const { line } of nodes) {
    for (const { name, type } of gresOf(line)) {
      const same = described.filter((entry) => entry.name === name);
      if (detects && name === "gpu") continue;
      if (same.length === 0) {
        report(
          "gres.conf",
          0,
          `nothing describes ${name}, which a node line names`,
          `Add a line Name=${name} File=….`,
        );
      } else if (type !== undefined && !same.some((entry) => entry.type === type)) {
        report(
          "gres.conf",
          0,
          `no line describes ${name} of type ${type}`,
          `Add Name=${name} Type=${type} File=….`,
        );
      }
    }
  }
}

/** A resource with and without a type on one node. */
export function gresMixed({ nodes }: Parsed, report: Report): void {
  for (const { line } of nodes) {
    const gres = gresOf(line);
    for (const name of new Set(gres.map((item) => item.name))) {
      const kinds = gres.filter((item) => item.name === name);
      if (!kinds.some((item) => item.type === undefined) || kinds.every((item) => item.type === undefined))
        continue;
      const text = `the node has ${name} with and without a type`;
      report("slurm.conf", line.number, text, "Give every one a type, or none.");
    }
  }
}

/** A way of detection whose plugin the image lacks. */
export function autoDetect({ gres, input }: Parsed, report: Report): void {
  for (const line of gres) {
    const value = pairValue(line, "AutoDetect")?.toLowerCase();
    if (value === undefined || value === "off") continue;
    if (input.gpuPlugins.includes(value)) continue;
    const text = `AutoDetect=${value} needs a plugin that the image does not have: slurmd would not start`;
    report("gres.conf", line.number, text, `Use one of: ${input.gpuPlugins.join(", ") || "off"}.`);
  }
}
