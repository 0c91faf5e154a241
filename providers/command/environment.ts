/** Environment variables of a command. */
import type { Logger } from "../plugin/index.ts";
import type { RunInputs } from "./inputs.ts";
import type { CommandOutput } from "./output.ts";

/** The kernel's limit for one variable. */
const longestVariable = 128 * 1024 - 1;

/** The outputs of the last command, as variables for the next one. What does not fit is left out with a warning. */
export function previousOutput(
  inputs: RunInputs,
  previous: CommandOutput | undefined,
  logger: Logger,
): Record<string, string> {
  if (previous === undefined || !inputs.addPreviousOutputInEnv) return {};
  const variables = [
    ["PULUMI_COMMAND_STDOUT", previous.stdout],
    ["PULUMI_COMMAND_STDERR", previous.stderr],
  ] as const;
  const kept = variables.filter(([name, value]) => {
    if (value === "") return false;
    const size = Buffer.byteLength(`${name}=${value}`);
    if (size <= longestVariable) return true;
    logger.warning(
      `${name} is left out: the last command's output has ${size} bytes, more than a variable can hold. ` +
        "Set addPreviousOutputInEnv to false if the command does not need it.",
    );
    return false;
  });
  return Object.fromEntries(kept);
}
