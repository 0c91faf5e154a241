import { runPlugin } from "../plugin/run.ts";
import { libvirtPlugin } from "./plugin.ts";

runPlugin(libvirtPlugin());
