/** A provider with nothing behind it: what remains of a run is the engine's own time. */
import {
  diffProperties,
  type PropertyMap,
  type ResourceHandler,
  runPlugin,
} from "../../../providers/plugin/index.ts";

/** Makes the state of a resource as large as that of a machine. */
const padding = "x".repeat(Number(process.env.HYPERLAB_BENCH_PADDING ?? "0"));
const outputs = padding === "" ? {} : { padding };

const nothing = (made: PropertyMap): ResourceHandler => ({
  check: async (_, { news }) => ({ inputs: news }),
  diff: async (_, { oldInputs, news }) => ({ detailedDiff: diffProperties(oldInputs, news) }),
  create: async (_, { name }) => ({ id: name, outputs: made }),
  read: async (_, { id, state, inputs }) => ({ id, outputs: state, inputs }),
  update: async () => ({ outputs: made }),
  delete: async () => {},
});

runPlugin({
  name: "bench",
  version: "1.0.0",
  schema: JSON.stringify({ name: "bench", version: "1.0.0" }),
  resources: { "bench:index:Domain": nothing(outputs), "bench:index:Shared": nothing({}) },
});
