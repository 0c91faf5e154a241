/** The tiny provider as a process of its own. */
import { runPlugin } from "../../../providers/plugin/index.ts";
import { tinyProvider } from "./tiny.ts";

runPlugin(tinyProvider({ files: new Map(), calls: [], config: {} }));
