/** A program that ends before it has declared everything: the engine must not take what is missing for removed. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { projectRoot } from "../../tools/paths.ts";
import { type EngineProject, engineProject } from "../support/engine-project.ts";

let project: EngineProject;
let folder: string;

/** Two commands; the second is declared when the first one ran. */
const program = (before = ""): string => `
import { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { whole } from ${JSON.stringify(join(projectRoot(), "lab", "whole.ts"))};
${before}
export const { stdout } = await whole(async () => {
  const first = new local.Command("first", { create: "echo first" });
  return new local.Command("second", {
    create: pulumi.interpolate\`echo after \${first.stdout}\`,
    delete: "touch ${join(folder, "deleted")}",
  });
});
`;

/** A call of the engine fails as it does when the connection ends: the SDK then ends the program without a word. */
const losesTheEngine = `
import grpc from "@grpc/grpc-js";
import engine from "@pulumi/pulumi/proto/resource_grpc_pb.js";
const { registerResource } = engine.ResourceMonitorClient.prototype;
engine.ResourceMonitorClient.prototype.registerResource = function (request, callback) {
  if (request.getName() !== "second") return registerResource.call(this, request, callback);
  setImmediate(() => callback(Object.assign(new Error("lost"), { code: grpc.status.UNAVAILABLE })));
};
`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "hyperlab-unfinished-"));
  project = await engineProject({ program: program() });
  await project.mustRun("up");
});
afterAll(async () => {
  await project?.run("destroy");
  await project?.dispose();
  rmSync(folder, { recursive: true, force: true });
});

it("an update whose program loses the engine fails and says so, and removes nothing", async () => {
  const deleted = (): boolean => existsSync(join(folder, "deleted"));
  await project.setProgram(program(losesTheEngine));
  const { code } = await project.run("up");
  expect(deleted()).toBe(false);
  expect(code).not.toBe(0);
  expect(project.shown()).toContain("The program ended before all of the lab was declared");
  await project.setProgram(program());
  await project.mustRun("up");
  expect(deleted()).toBe(false);
  expect(await project.outputs()).toEqual({ stdout: "after first" });
});
