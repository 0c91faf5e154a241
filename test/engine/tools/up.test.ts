/** `npm run up`: what the preview says decides whether anything is touched at all. */
import { readdirSync, readFileSync } from "node:fs";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DomainInputs } from "../../../providers/libvirt/resources/inputs.ts";
import type { Context } from "../../../tools/commands/context.ts";
import { bringUp } from "../../../tools/commands/up.ts";
import { examplePlan } from "../../../tools/docs/changed-lab.ts";
import { checkpoint } from "../../../tools/engine/query.ts";
import { cacheFolder, projectRoot } from "../../../tools/paths.ts";
import { type EngineProject, engineProject } from "../../support/engine-project.ts";
import type { Declaration } from "../support/declaration.ts";
import { machine, writeGuestImage } from "../support/guest.ts";
import { Lab, type Stack } from "../support/lab.ts";
import { Observer } from "../support/observer.ts";

const contextOf = ({ layout, report, root }: EngineProject, interactive: boolean): Context => ({
  root,
  cache: cacheFolder(),
  report,
  layout,
  interactive,
  env: process.env,
});

/** Operations that ran the program, in order. */
const runsOf = ({ layout }: EngineProject): string[] =>
  readdirSync(layout.logFolder)
    .sort()
    .map((name) => /-([a-z]+)\.log$/.exec(name)?.[1] ?? name);

/** Runs `up` and gives its exit code, what it showed, the engine's runs, and what a person was asked. */
async function upOf(project: EngineProject, answer?: string, during = async (): Promise<void> => {}) {
  const shownBefore = project.shown().length;
  const runsBefore = runsOf(project).length;
  const asked: string[] = [];
  const code = await bringUp(
    contextOf(project, answer !== undefined),
    project.session,
    { yes: false },
    async (text) => {
      asked.push(text);
      await during();
      return answer;
    },
  );
  return {
    code,
    asked,
    shown: project.shown().slice(shownBefore),
    runs: runsOf(project).slice(runsBefore),
  };
}

describe("machines", () => {
  let lab: Lab;
  let stack: Stack;

  const onDisk = (name: string, more: Partial<DomainInputs> = {}): DomainInputs =>
    machine(name, { rootDisk: { pool: "lab", image: "one", sizeMiB: 4 }, ...more });
  const declaration = (domains: Record<string, DomainInputs>): Partial<Declaration> => ({
    pools: { pool: { name: "lab", path: lab.folder("pool") } },
    volumes: { one: { name: "one", pool: "lab", source: { path: lab.folder("one.raw"), id: "one" } } },
    domains,
  });
  const switchOff = async (name: string): Promise<void> => {
    const domain = await lab.libvirt.domainLookupByName(name);
    if (domain === undefined) throw new Error(`there is no domain ${name}`);
    await lab.libvirt.domainDestroy(domain);
  };
  const smaller = { rootDisk: { pool: "lab", image: "one", sizeMiB: 3 } };

  beforeAll(async () => {
    lab = await Lab.start();
    writeGuestImage(lab.folder("one.raw"), "polite", "one");
    stack = await lab.stack("owner-of-up");
    await stack.declare(declaration({ first: onDisk("first"), second: onDisk("second") }));
    expect(await upOf(stack.project, "no")).toMatchObject({ code: 0, asked: [], runs: ["preview", "up"] });
  });
  afterAll(() => lab?.stop());

  it("are not touched while anything is forbidden, and reason and way out are shown once", async () => {
    const grown = onDisk("first", { memoryMiB: 80 });
    const added = onDisk("added");
    await stack.declare(declaration({ first: grown, second: onDisk("second", smaller), added }));
    const observer = await Observer.start(lab.libvirt);
    try {
      const ran = await upOf(stack.project, "yes");
      expect(ran.code).toBe(1);
      expect(ran.runs).toEqual(["preview"]);
      const lines = ran.shown.split("\n").filter((line) => line.includes("cannot shrink"));
      expect(lines).toEqual([
        "error: second: forbidden: rootDisk.sizeMiB: a root disk cannot shrink; keep the size, or give the machine a new name to make it anew",
      ]);
      expect(ran.shown).toContain("Nothing was changed.");
      expect(observer.events).toEqual([]);
      expect(new Set(Object.values(await observer.result()))).toEqual(new Set(["nothing"]));
    } finally {
      observer.stop();
    }
    await stack.declare(declaration({ first: onDisk("first"), second: onDisk("second") }));
    expect((await stack.must("preview", ["--expect-no-changes"])).ops).toEqual({});
  });

  it("that would be interrupted are asked for at a terminal, and only there", async () => {
    const changed = declaration({ first: onDisk("first", { memoryMiB: 80 }), second: onDisk("second") });
    await stack.declare(changed);
    const refused = await upOf(stack.project, "");
    expect(refused).toMatchObject({
      code: 1,
      asked: ["This interrupts first. Go on? [y/N] "],
      runs: ["preview"],
    });
    expect(refused.shown).toMatch(/^first +restart +memoryMiB 64 → 80; stop without quiesce$/m);

    // What was shown is no longer what would be done.
    const { stackFile } = stack.project.layout;
    const edit = (): Promise<void> => appendFile(stackFile, "# edited\n");
    for (const during of [edit, () => switchOff("second")]) {
      const late = await upOf(stack.project, "y", during);
      expect(late).toMatchObject({ code: 1, runs: ["preview", "preview"] });
      expect(late.shown).toContain("changed since the preview; nothing was changed");
    }

    expect(await upOf(stack.project, "y")).toMatchObject({
      code: 0,
      runs: ["preview", "preview", "up"],
    });

    // Nobody is there to be asked; what is only added would not be asked for anyway.
    await stack.declare(declaration({ first: onDisk("first"), added: onDisk("added") }));
    expect(await upOf(stack.project)).toMatchObject({ code: 0, asked: [], runs: ["preview", "up"] });
    expect(Object.keys((await lab.inventory()).domains).length).toBe(2);
  });

  it("that somebody stopped by hand are found by the preview and started", async () => {
    await switchOff("first");
    const ran = await upOf(stack.project, "no");
    expect(ran).toMatchObject({ code: 0, asked: [], runs: ["preview", "up"] });
    expect(ran.shown).toMatch(/^first +start +should run and is shut off$/m);
    expect(await upOf(stack.project)).toMatchObject({ code: 0, runs: ["preview"] });
  });

  it("with everything that a plan declares are read back as they were declared", async () => {
    const [planned] = examplePlan().computeNodes;
    if (planned === undefined) throw new Error("the example has no compute node");
    const { deriveSshHostKey: _, ...domain } = planned.domain;
    const resting: DomainInputs = {
      ...domain,
      type: "qemu",
      cpu: { ...domain.cpu, mode: "maximum" },
      rootDisk: { pool: "lab", image: "one", sizeMiB: 4 },
      interfaces: [],
      autostart: false,
      running: false,
    };
    await stack.declare(declaration({ first: onDisk("first"), added: onDisk("added"), resting }));
    expect(await upOf(stack.project)).toMatchObject({ code: 0, runs: ["preview", "up"] });
    expect(await upOf(stack.project)).toMatchObject({ code: 0, runs: ["preview"] });
  });
});

describe("the update", () => {
  let project: EngineProject;
  beforeEach(async () => {
    project = await engineProject({ program: "export const nothing = 1;" });
  });
  afterEach(() => project.dispose());

  const commands = (text: string): string => `import * as pulumi from "@pulumi/pulumi";
import { local } from "@pulumi/command";
${text}`;
  const one = (options: string): string =>
    commands(`new local.Command("one", { create: "echo one" }, ${options});\nexport const output = 1;`);
  const protectedNow = async (): Promise<boolean> =>
    (await checkpoint(project.session, project.layout)).resources.some((resource) => resource.protect);

  it("does not run where nothing changes", async () => {
    // What is decided once and kept proposes another value at every run.
    const kept = '{ input: pulumi.secret(String(Math.random())) }, { ignoreChanges: ["input"] }';
    await project.setProgram(`${one("{}")}\nexport const made = new pulumi.Stash("kept", ${kept}).output;`);
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview", "up"] });
    const again = await upOf(project);
    expect(again).toMatchObject({ code: 0, runs: ["preview"] });
    expect(again.shown).toContain("Nothing changes.\n");
  });

  it("runs where only an output or a protection would be recorded", async () => {
    await project.setProgram(one("{}"));
    await upOf(project);
    await project.setProgram(one("{ protect: true }"));
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview", "up"] });
    expect(await protectedNow()).toBe(true);
    await project.setProgram(one("{ protect: true }").replace("output = 1", "output = 2"));
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview", "up"] });
    expect(await project.outputs()).toEqual({ output: 2 });
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview"] });
  });

  it("goes on from an update that failed half-way", async () => {
    const gate = join(project.layout.folder, "gate");
    const made = join(project.layout.folder, "made");
    await project.setProgram(
      commands(`const first = new local.Command("first", { create: "echo first >> ${made}" });
new local.Command("second", { create: "test -e ${gate} && echo second >> ${made}" }, { dependsOn: [first] });`),
    );
    const failed = await upOf(project);
    expect(failed).toMatchObject({ code: 1, runs: ["preview", "up"] });
    expect(failed.shown).toContain("Not finished.");
    await writeFile(gate, "");
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview", "up"] });
    expect(readFileSync(made, "utf8")).toBe("first\nsecond\n");
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview"] });
  });

  it("does not run where the program fails, and its error is shown once", async () => {
    const plainStacks = join(projectRoot(), "lab", "plain-stacks.ts");
    await project.setProgram(`import "${plainStacks}";\nthrow new Error("the cluster file is wrong");`);
    const ran = await upOf(project);
    expect(ran).toMatchObject({ code: 1, runs: ["preview"] });
    expect(ran.shown.match(/the cluster file is wrong/g)).toHaveLength(1);
  });

  it("does nothing to a resource whose every input is ignored, as the commands for a controller that is off", async () => {
    const made = (text: string, options: string) =>
      commands(
        `new local.Command("one", { create: "echo ${text}", update: "exit 1", triggers: ["${text}"], ` +
          `stdin: pulumi.secret("${text}") }, ${options});`,
      );
    await project.setProgram(made("one", "{}"));
    expect(await upOf(project)).toMatchObject({ code: 0, runs: ["preview", "up"] });
    await project.setProgram(made("two", '{ ignoreChanges: ["*"] }'));
    expect((await upOf(project)).code).toBe(0);
    expect((await project.mustRun("preview", ["--expect-no-changes"])).changes).toEqual({ same: 2 });
    await project.setProgram(made("two", "{}"));
    expect((await project.run("preview")).changes).not.toEqual({ same: 2 });
  });

  it("shows a note of the program once", async () => {
    const note = 'await pulumi.log.info("emulation is slow");';
    await project.setProgram(commands(`${note}\nnew local.Command("one", { create: "echo one" });`));
    expect((await upOf(project)).shown.match(/emulation is slow/g)).toHaveLength(1);
  });
});
