import { createInterface } from "node:readline/promises";

/**
 * Asks the person at the terminal. Returns the answer without surrounding blanks; undefined where there is none,
 * because the input ended or the question was interrupted.
 */
export async function ask(
  question: string,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout,
): Promise<string | undefined> {
  const prompt = createInterface({ input, output });
  const abandoned = new AbortController();
  prompt.once("close", () => abandoned.abort());
  prompt.once("SIGINT", () => prompt.close());
  try {
    return (await prompt.question(question, { signal: abandoned.signal })).trim();
  } catch (error) {
    if (!abandoned.signal.aborted) throw error;
    output.write("\n");
    return undefined;
  } finally {
    prompt.close();
  }
}
