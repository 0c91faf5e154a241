/**
 * Local and remote commands as users write them, against @pulumi/command alone: it runs with the official plugin as
 * well. `phase` is what changes between updates.
 */
import { local, remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const phase = config.require("phase");
/** Where commands leave their traces. */
const folder = config.require("folder");
const trace = (name: string, text: string) => `echo "${text}" >> ${folder}/${name}`;

const connection = {
  host: "127.0.0.1",
  port: config.requireNumber("port"),
  user: config.require("user"),
  privateKey: config.requireSecret("privateKey"),
  hostKey: config.require("hostKey"),
};

const hello = new local.Command("hello", { create: "echo hello; echo oops >&2" });

const steps = new local.Command(
  "steps",
  {
    create: `${trace("steps", "create $VALUE")}; echo created-$VALUE`,
    update: `${trace("steps", "update $VALUE after $PULUMI_COMMAND_STDOUT")}; echo updated-$VALUE`,
    delete: trace("steps", "delete $VALUE after $PULUMI_COMMAND_STDOUT"),
    environment: { VALUE: phase },
  },
  { dependsOn: hello },
);

const details = new local.Command("details", {
  interpreter: ["/bin/sh", "-e", "-c"],
  create: 'pwd; cat; echo "$KEY"',
  dir: folder,
  stdin: "from stdin\n",
  environment: { KEY: config.requireSecret("token") },
  logging: local.Logging.None,
});

const triggered = new local.Command("triggered", {
  create: trace("triggered", "create"),
  delete: trace("triggered", "delete"),
  triggers: [phase],
});

const triggeredUpdate = new local.Command("triggered-update", {
  create: trace("triggered-update", "create"),
  update: trace("triggered-update", "update"),
  triggers: [{ phase }],
});

const files = new local.Command("files", {
  create: `mkdir -p made/deep && echo a > made/a.txt && echo b > made/deep/b.txt && echo c > made/secret.txt`,
  dir: folder,
  assetPaths: ["made/*.txt"],
  archivePaths: ["made/**", "!**secret.*"],
});

const ran = local.runOutput({ command: "cat", stdin: "run" });

const cat = new remote.Command("cat", {
  connection,
  create: "cat; echo remote-oops >&2",
  stdin: pulumi.interpolate`to remote: ${hello.stdout}`,
});

const remoteSteps = new remote.Command("remote-steps", {
  connection,
  create: `${trace("remote", `create ${phase}`)}; echo created-${phase}`,
  update: `${trace("remote", `update ${phase} after $PULUMI_COMMAND_STDOUT`)}; echo updated-${phase}`,
  delete: trace("remote", "delete after $PULUMI_COMMAND_STDOUT"),
});

const sourceFolder = `${folder}/source`;
const copied = new remote.CopyToRemote("copied", {
  connection,
  source: new pulumi.asset.FileArchive(sourceFolder),
  remotePath: `${folder}/copied/to`,
});
const text = new remote.CopyToRemote("text", {
  connection,
  source: new pulumi.asset.StringAsset(`text of phase ${phase}\n`),
  remotePath: `${folder}/copied/text`,
});
const listed = new remote.Command(
  "listed",
  { connection, create: `cd ${folder}/copied && find to -type f | sort`, triggers: [copied.source] },
  { dependsOn: [copied, text] },
);

if (phase === "broken") {
  new local.Command("broken", { create: "echo the output; echo the reason >&2; exit 7" });
}

/** Outputs by name, for the test to compare. */
export const results = {
  hello: { stdout: hello.stdout, stderr: hello.stderr },
  steps: steps.stdout,
  details: details.stdout,
  triggered: triggered.stdout,
  triggeredUpdate: triggeredUpdate.stdout,
  assets: files.assets.apply((assets) => Object.keys(assets ?? {}).sort()),
  ran: ran.stdout,
  cat: { stdout: cat.stdout, stderr: cat.stderr },
  remoteSteps: remoteSteps.stdout,
  listed: listed.stdout,
};
