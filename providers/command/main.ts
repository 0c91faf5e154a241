import { runPlugin } from "../plugin/index.ts";
import { commandProvider } from "./provider.ts";

runPlugin(commandProvider);
