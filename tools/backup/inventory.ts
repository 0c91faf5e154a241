import { z } from "zod";
import type { ControllerProgram, StreamVerb } from "../ssh/controller-program.ts";

const inventory = z.object({
  cluster: z.string(),
  slurm: z.string(),
  /** `controller`, or the export that they are on. */
  homes: z.string(),
  /** Jobs in the queue. */
  jobs: z.number(),
  /** Jobs that accounting knows, apart from those that verified the cluster. */
  recorded: z.number(),
  /** Homes with more in them than a new one has. */
  used: z.array(z.string()),
});

/** What a controller has that a restore would replace. */
export type Inventory = z.infer<typeof inventory>;

/** One line before a stream. */
export const requestLine = (fields: Readonly<Record<string, unknown>>): Buffer =>
  Buffer.from(`${JSON.stringify({ format: 1, ...fields })}\n`);

/** Asks a controller what it has. */
export const readInventory = (program: ControllerProgram): Promise<Inventory> =>
  askInventory(program, "inventory", one(requestLine({})));

/** Runs a verb that ends with an inventory, and reads that. */
export async function askInventory(
  program: ControllerProgram,
  verb: StreamVerb,
  input: AsyncIterable<Buffer>,
  say: (line: string) => void = () => undefined,
  signal?: AbortSignal,
): Promise<Inventory> {
  const pieces: Buffer[] = [];
  for await (const piece of program(verb, input, say, signal)) pieces.push(piece);
  const text = Buffer.concat(pieces).toString("utf8");
  try {
    return inventory.parse(JSON.parse(text));
  } catch {
    throw new Error(`the controller's answer to ${verb} is not understood: ${text.trim().slice(0, 200)}`);
  }
}

/** What would be lost, for people; empty where nothing would. */
export function lostBy({ jobs, recorded, used }: Inventory, withHomes: boolean): string[] {
  const homes = used.slice(0, 10).join(", ") + (used.length > 10 ? ", …" : "");
  return [
    jobs === 0 ? [] : `${jobs} jobs in the queue`,
    recorded === 0 ? [] : `accounting of ${recorded} jobs`,
    used.length === 0 || !withHomes
      ? []
      : `homes in use, of which those in the backup are replaced (${homes})`,
  ].flat();
}

async function* one(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}
