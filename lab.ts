/** The Pulumi program: one cluster file, one lab, everything in one stack. */
import "./lab/plain-stacks.ts";
import * as pulumi from "@pulumi/pulumi";
import { declareLab } from "./lab/declare-lab.ts";
import { whole } from "./lab/whole.ts";

const config = new pulumi.Config("hyperlab");
const lab = await whole(() => declareLab({ file: config.require("file") }));

export const { controllerAddress, nodes, partitions, sshCommand, sshConfig, knownHosts, verification } = lab;
