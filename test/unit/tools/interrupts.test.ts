import { expect, it } from "vitest";
import { passInterrupts } from "../../../tools/engine/interrupts.ts";

it("an interrupt is passed on once for each key press, and the second says that it stops at once", () => {
  let now = 1_000;
  const passed: string[] = [];
  const said: string[] = [];
  const before = process.listenerCount("SIGINT");
  const interrupts = passInterrupts(
    (signal) => passed.push(signal),
    (text) => said.push(text),
    () => now,
  );
  // The terminal, npm and the bootstrap may each pass the same key press on, as signals of other names too.
  for (const signal of ["SIGINT", "SIGINT", "SIGTERM"] as const) process.emit(signal);
  expect(passed).toEqual(["SIGINT"]);
  now += 2_000;
  process.emit("SIGINT");
  process.emit("SIGINT");
  expect(passed).toEqual(["SIGINT", "SIGINT"]);
  expect(said).toEqual([expect.stringMatching(/^Interrupted: .*again to stop at once/), "Stopping at once."]);
  expect(interrupts.count()).toBe(2);
  interrupts.stop();
  expect(process.listenerCount("SIGINT")).toBe(before);
});
