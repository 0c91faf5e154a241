import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { lineSplitter } from "../process/run.ts";

const POLL_MS = 100;

/** Follows a growing file from its start and hands on whole lines until it is stopped; the rest is read then. */
export function followFile(file: string, onLine: (line: string) => void): { stop(): void } {
  const splitter = lineSplitter(onLine);
  const decoder = new StringDecoder("utf8");
  const buffer = Buffer.alloc(256 * 1024);
  const descriptor = openSync(file, "a+");
  let position = 0;
  const drain = (): void => {
    for (;;) {
      const bytes = readSync(descriptor, buffer, 0, buffer.length, position);
      if (bytes === 0) return;
      position += bytes;
      splitter.push(decoder.write(buffer.subarray(0, bytes)));
    }
  };
  const timer = setInterval(drain, POLL_MS);
  return {
    stop() {
      clearInterval(timer);
      drain();
      splitter.end();
      closeSync(descriptor);
    },
  };
}
