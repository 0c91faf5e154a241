import { expect, test } from "vitest";
import { createLogger, type LogLine, LogQueue } from "../../../providers/plugin/log.ts";

/** A sender that keeps each line until it is let go. */
function heldSender() {
  const sent: LogLine[] = [];
  const waiting: (() => void)[] = [];
  const send = (line: LogLine) => {
    sent.push(line);
    return new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { sent, send, release: () => waiting.shift()?.() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("lines go out in order, and those that wait together go out together", async () => {
  const { sent, send, release } = heldSender();
  const queue = new LogQueue(send);
  const a = createLogger(queue, "urn:a");
  const b = createLogger(queue, "urn:b");
  a.info("one");
  await turn();
  a.info("two");
  a.info("three");
  b.info("other");
  a.warning("careful");
  const flushed = queue.flush();
  for (let step = 0; step < 4; step++) {
    release();
    await turn();
  }
  await flushed;
  expect(sent.map((line) => `${line.severity} ${line.urn} ${line.message}`)).toEqual([
    "info urn:a one",
    "info urn:a two\nthree",
    "info urn:b other",
    "warning urn:a careful",
  ]);
});

test("a status line that waits is replaced by its successor", async () => {
  const { sent, send, release } = heldSender();
  const queue = new LogQueue(send);
  const logger = createLogger(queue, "urn:a");
  logger.status("1 %");
  await turn();
  for (let percent = 2; percent <= 100; percent++) logger.status(`${percent} %`);
  release();
  await turn();
  release();
  await queue.flush();
  expect(sent.map((line) => line.message)).toEqual(["1 %", "100 %"]);
});

test("flush waits for the lines before it, not for later ones", async () => {
  const { sent, send, release } = heldSender();
  const queue = new LogQueue(send);
  const logger = createLogger(queue, "");
  logger.info("before");
  const flushed = queue.flush();
  logger.info("after");
  await turn();
  release();
  await flushed;
  expect(sent[0]?.message).toBe("before");
  release();
});

test("joined lines stay below the limit, so memory and messages are bounded", async () => {
  const { sent, send, release } = heldSender();
  const queue = new LogQueue(send);
  const logger = createLogger(queue, "");
  logger.info("first");
  await turn();
  for (let line = 0; line < 2000; line++) logger.info("x".repeat(100));
  let done = false;
  const flushed = queue.flush().then(() => {
    done = true;
  });
  while (!done) {
    release();
    await turn();
  }
  await flushed;
  expect(Math.max(...sent.map((line) => line.message.length))).toBeLessThanOrEqual(32 * 1024);
  expect(sent.map((line) => line.message.split("\n").length).reduce((a, b) => a + b)).toBe(2001);
});

test("lines of output are shown one by one, and joined only when the engine falls behind", async () => {
  const { sent, send, release } = heldSender();
  const queue = new LogQueue(send);
  const logger = createLogger(queue, "urn:a");
  for (let line = 0; line < 1000; line++) logger.output(`line ${line}`);
  let done = false;
  const flushed = queue.flush().then(() => {
    done = true;
  });
  while (!done) {
    release();
    await turn();
  }
  await flushed;
  expect(sent.slice(0, 2).map((line) => line.message)).toEqual(["line 0", "line 1"]);
  expect(sent.length).toBeLessThan(110);
  expect(sent.flatMap((line) => line.message.split("\n"))).toEqual(
    Array.from({ length: 1000 }, (_, line) => `line ${line}`),
  );
});
