/** Ends its own update while another resource waits for it. */
import * as pulumi from "@pulumi/pulumi";
import { endRun } from "../../../lab/end-run.ts";

const first = new pulumi.Stash("first", { input: "made" });
const accepted = first.output.apply(async (value) => {
  if (!pulumi.runtime.isDryRun()) await endRun("this image may not be taken");
  return value;
});
for (const name of ["second", "third"]) new pulumi.Stash(name, { input: accepted });
