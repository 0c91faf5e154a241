import { describe, expect, it } from "vitest";
import {
  type MessageHeader,
  messageStatus,
  messageType,
  program,
} from "../../../providers/libvirt/client/message.ts";
import { domain } from "../../../providers/libvirt/client/procedures/domain.ts";
import { storageVol } from "../../../providers/libvirt/client/procedures/storage.ts";
import { gateMoment, QuestionCounter, TraceRecorder } from "../../faults/moments.ts";

const header = (type: keyof typeof messageType, { number }: { number: number }): MessageHeader => ({
  program: program.remote,
  procedure: number,
  type: messageType[type],
  serial: 1,
  status: type === "stream" ? messageStatus.continue : messageStatus.ok,
});
const run = [
  header("call", domain.getState),
  header("call", storageVol.createXml),
  header("reply", storageVol.createXml),
  header("call", storageVol.upload),
  header("stream", storageVol.upload),
  header("stream", storageVol.upload),
  { ...header("stream", storageVol.upload), status: messageStatus.ok },
  header("call", storageVol.createXml),
  header("reply", storageVol.createXml),
  header("call", domain.shutdown),
  header("call", domain.shutdown),
  header("call", domain.getState),
];

describe("a run without faults", () => {
  it("is traced by the calls that change something; how often a machine is asked to go off depends on its speed", () => {
    const recorder = new TraceRecorder();
    expect(run.some((message) => recorder.moment(message, 0))).toBe(false);
    expect(Object.fromEntries(recorder.trace)).toEqual({
      "volume createXml": 2,
      "volume upload": 1,
      "volume content": 2,
      "domain shutdown": 1,
    });
  });
});

describe("a moment", () => {
  it.each([
    [{ call: "volume createXml", nth: 1, side: "asked" }, 1],
    [{ call: "volume createXml", nth: 2, side: "done" }, 8],
    [{ call: "volume content", nth: 2, side: "asked" }, 5],
    [{ call: "domain shutdown", nth: 1, side: "asked" }, 9],
    [{ call: "volume delete", nth: 1, side: "asked" }, -1],
  ] as const)("%j closes the gate there, once", (moment, index) => {
    const closes = gateMoment(moment);
    const closed = run.flatMap((message, position) => (closes(message, 0) ? [position] : []));
    expect(closed).toEqual(index === -1 ? [] : [index]);
  });
});

describe("a pause", () => {
  it("counts the questions for the state of a machine, and closes nothing", () => {
    const questions = new QuestionCounter();
    expect(run.some((message) => questions.moment(message, 0))).toBe(false);
    expect(questions.count).toBe(2);
  });
});
