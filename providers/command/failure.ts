/** The text of a command that failed. */
import type { OutputCollector } from "./output.ts";
import type { Mask } from "./secrets.ts";

export interface CommandText {
  readonly text: string;
  /** A secret command is quoted in no message and, on this machine, not put into process arguments. */
  readonly secret: boolean;
}

/** How the command ended, which it was, and the end of what it wrote. */
export function failureText(
  end: string,
  command: CommandText,
  collector: OutputCollector,
  mask: Mask,
): string {
  const quoted = command.secret ? "[secret]" : JSON.stringify(mask(command.text));
  const output = collector.quoted();
  return `${end}: running ${quoted}${output === "" ? "" : `:\n${output}`}`;
}
