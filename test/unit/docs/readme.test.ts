import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, it } from "vitest";
import { documentOf, examplePlan, previewEvents } from "../../../tools/docs/changed-lab.ts";
import { pictures } from "../../../tools/docs/pictures.ts";
import { readLabOutputs, renderLab } from "../../../tools/report/lab-summary.ts";
import { renderPreview, summarisePreview } from "../../../tools/report/preview-table.ts";
import { README_STEPS } from "../../e2e/scenarios/readme.ts";
import { readmeBlock, readmeChanges, readmeCommands, readmeText } from "../../e2e/support/readme.ts";

/** The commands that no step of the end-to-end scenario runs: the file that runs them, and how it says so. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, text: string]>> = {
  "npm test": [".ci/run", "run test\n"],
  "npm run down": ["test/e2e/support/lab.ts", 'this.npm("down", '],
  "npm install": ["test/engine/tools/plain.test.ts", '"npm install"'],
  "pulumi stack init dev": ["test/engine/tools/plain.test.ts", '"pulumi stack init dev"'],
  "pulumi preview --stack dev": ["test/engine/tools/plain.test.ts", '"pulumi preview --stack dev"'],
};

describe("the commands of README.md", () => {
  const commands = readmeCommands().map(({ command }) => command);

  it("are each run by a test, and no test is for one that is gone", () => {
    const tested = [...Object.keys(README_STEPS), ...Object.keys(ELSEWHERE)];
    expect([...new Set(commands)].sort()).toEqual(tested.sort());
  });

  it.each(Object.entries(ELSEWHERE))("%s is where the table says", (_, [file, text]) => {
    expect(existsSync(file)).toBe(true);
    expect(readFileSync(file, "utf8")).toContain(text);
  });

  it("have steps that the end-to-end scenarios run", () => {
    expect(readFileSync("test/e2e/slurm-cluster.test.ts", "utf8")).toContain("readmeScenarios(cluster);");
  });

  it("are read from every block of shell, without comments", () => {
    const text = '## One\n```sh\na --b "c # d"   # e\n\n# f\n```\n```\n$ g\n```\n### Two\n```bash\nh\n```\n';
    expect(readmeCommands(text)).toEqual([
      { section: "One", command: 'a --b "c # d"' },
      { section: "Two", command: "h" },
    ]);
  });
});

describe("the table of changes", () => {
  const before = examplePlan();

  it.each(readmeChanges())("$wish: $effect", ({ change, effect }) => {
    const after = examplePlan(change);
    const effects = summarisePreview(previewEvents(before, after)).machines.map((machine) => machine.effect);
    const seen = new Set<string>(effects.filter((found) => found !== "none"));
    // What concerns SLURM or the accounts only touches no machine.
    if (seen.size === 0 && !isDeepStrictEqual(documentOf(before), documentOf(after))) seen.add("live");
    expect([...seen]).toEqual([effect]);
  });

  it("has a row for each wish of the first ten minutes", () => {
    expect(readmeChanges().length).toBeGreaterThanOrEqual(8);
  });
});

describe("what README.md shows", () => {
  it("is the preview of a change of its own table", () => {
    const [prompt, ...shown] = readmeBlock("$ npm run preview");
    const events = previewEvents(examplePlan(), examplePlan("compute_nodes: {memory_gb: 4}"));
    expect(prompt).toBe("$ npm run preview");
    expect(shown).toEqual(renderPreview(summarisePreview(events), 160).slice(0, shown.length));
    expect(shown).toHaveLength(4);
  });

  it("is what `npm run up` says of the example", () => {
    const plan = examplePlan();
    const outputs = readLabOutputs({
      nodes: [
        { name: plan.controller.name, role: "controller", address: plan.controller.address },
        ...plan.computeNodes.map(({ address, name }) => ({ name, role: "compute", address, state: "IDLE" })),
      ],
      partitions: plan.slurm.partitions.map((partition) => partition.name),
      sshCommand: `ssh ada@${plan.controller.address}`,
      verification: { job: plan.computeNodes[0]?.name },
    });
    expect(readmeBlock("SLURM state")).toEqual(renderLab(outputs, "/home/ada/.local/state/hyperlab"));
  });

  it.each(pictures())("has the picture of the example's plan: %s", (file, content) => {
    expect(readFileSync(file, "utf8"), "run node tools/docs/write-pictures.ts").toBe(content);
    // GitHub shows no picture that loads anything.
    expect(content.replace('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(
      /https?:|@import|url\(|href/,
    );
  });

  it("links only to files that are there", () => {
    const links = [...readmeText().matchAll(/\]\(([^)#:]+)\)|(?:src|srcset)="([^"]+)"/g)];
    expect(links.length).toBeGreaterThan(8);
    for (const [, link, source] of links) expect(existsSync(link ?? source ?? ""), link ?? source).toBe(true);
  });
});
