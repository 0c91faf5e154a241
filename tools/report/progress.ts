import { duration } from "./duration.ts";

/** Where progress goes; a terminal can rewrite its last line, a log cannot. */
export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  readonly columns: number;
}

/** A long step that is being shown. */
export interface Step {
  /** What the step is doing now, in a few words or as the last line of a program's output. */
  detail(text: string): void;
}

/** In a log, a step that runs longer says so again after each of these. */
const HEARTBEAT_MS = 15_000;
const FRAME_MS = 100;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

const palette = { bold: "1", dim: "2", red: "31", green: "32", yellow: "33", cyan: "36" } as const;
export type Colour = keyof typeof palette;

/** Shows what happens: lines that stay, and at most one living line at the end of a terminal. */
export class Reporter {
  readonly #output: Output;
  readonly #coloured: boolean;
  #living: { render: () => string; timer: NodeJS.Timeout } | undefined;

  constructor(output: Output, coloured: boolean = output.isTerminal) {
    this.#output = output;
    this.#coloured = coloured;
  }

  colour(colour: Colour, text: string): string {
    return this.#coloured ? `\u001b[${palette[colour]}m${text}\u001b[0m` : text;
  }

  /** A line, or several, that stay. */
  line(text = ""): void {
    this.#erase();
    this.#output.write(`${text}\n`);
    this.#draw();
  }

  /**
   * Shows `label` with elapsed time while `work` runs: a spinner on a terminal, elsewhere a line at the start, one
   * every 15 s and one at the end. A step that fails shows so and throws on.
   */
  async step<T>(label: string, work: (step: Step) => Promise<T>): Promise<T> {
    const start = Date.now();
    const status = (): string =>
      `${label}${detail === "" ? "" : `: ${detail}`} (${duration(Date.now() - start)})`;
    let detail = "";
    if (!this.#output.isTerminal) this.line(`${label} …`);
    const stop = this.live(status);
    try {
      const result = await work({
        detail: (text) => {
          if (text.trim() !== "") detail = text.trim();
        },
      });
      stop();
      this.line(
        `${this.colour("green", "✓")} ${label} ${this.colour("dim", `(${duration(Date.now() - start)})`)}`,
      );
      return result;
    } catch (error) {
      stop();
      this.line(
        `${this.colour("red", "✗")} ${label} ${this.colour("dim", `(${duration(Date.now() - start)})`)}`,
      );
      throw error;
    }
  }

  /** Keeps a living status until the returned function is called. One at a time; an inner one is ignored. */
  live(render: () => string): () => void {
    if (this.#living) return () => undefined;
    const timer = this.#output.isTerminal
      ? setInterval(() => this.#redraw(), FRAME_MS)
      : setInterval(() => this.#output.write(`  … ${render()}\n`), HEARTBEAT_MS);
    timer.unref();
    this.#living = { render, timer };
    return () => {
      clearInterval(timer);
      this.#erase();
      this.#living = undefined;
    };
  }

  #redraw(): void {
    this.#erase();
    this.#draw();
  }

  #erase(): void {
    if (this.#living && this.#output.isTerminal) this.#output.write("\r\u001b[2K");
  }

  #draw(): void {
    if (!this.#living || !this.#output.isTerminal) return;
    const frame = FRAMES[Math.floor(Date.now() / FRAME_MS) % FRAMES.length] ?? "";
    this.#output.write(`${frame} ${cut(this.#living.render(), this.#output.columns - 3)}`);
  }
}

function cut(text: string, width: number): string {
  const flat = text.replaceAll(/\p{Cc}/gu, " ");
  return flat.length <= width ? flat : `${flat.slice(0, Math.max(0, width - 1))}…`;
}

/** The reporter of a program: standard output, colours only on a terminal and not where NO_COLOR is set. */
export function consoleReporter(stream: NodeJS.WriteStream = process.stdout): Reporter {
  const isTerminal = stream.isTTY === true;
  const output: Output = {
    write: (text) => void stream.write(text),
    isTerminal,
    get columns() {
      return stream.columns ?? 80;
    },
  };
  return new Reporter(output, isTerminal && (process.env.NO_COLOR ?? "") === "");
}
