/** Resources of the tiny provider of the plugin base's tests. */
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();

class File extends pulumi.CustomResource {
  declare readonly size: pulumi.Output<number>;
  declare readonly token: pulumi.Output<string>;

  constructor(name: string, args: { path: pulumi.Input<string>; content: pulumi.Input<string> }) {
    super(
      "tiny:index:File",
      name,
      { ...args, size: undefined, token: undefined },
      { customTimeouts: { create: "60s" } },
    );
  }
}

const first = new File("first", { path: "/first", content: config.require("content") });
const second = new File("second", { path: "/second", content: pulumi.interpolate`size is ${first.size}` });

export const sizes = [first.size, second.size];
export const token = first.token;
