/** What a backup is made of, as the guest's `frames.py` writes it: `M` begins a member, `D` is a part of it, `Z` ends it all. */
export type Frame =
  | { readonly kind: "member"; readonly name: string }
  | { readonly kind: "data"; readonly content: Buffer }
  /** The manifest, as text. */
  | { readonly kind: "end"; readonly text: string };

const HEAD_BYTES = 5;
/** The longest content of a frame. */
export const FRAME_LIMIT = 1024 * 1024;
const KINDS = { member: "M", data: "D", end: "Z" } as const;

/** Names of members: they become names in messages, and nothing else may be in them. */
const MEMBER_NAME = /^[a-z]{1,32}\.[a-z]{1,16}$/;

/** A stream of frames that is none, or ends too early. */
export class DamagedStream extends Error {}

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Buffer {
  const content =
    frame.kind === "data" ? frame.content : Buffer.from(frame.kind === "member" ? frame.name : frame.text);
  if (content.length > FRAME_LIMIT) throw new Error(`a frame of ${content.length} bytes is too long`);
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(KINDS[frame.kind], 0, "latin1");
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

/**
 * Reads frames up to the end of the stream, of which `end` is the last.
 * @throws DamagedStream for anything else.
 */
export async function* decodeFrames(pieces: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let waiting: Buffer[] = [];
  let held = 0;
  let member = false;
  let ended = false;
  for await (const piece of pieces) {
    waiting.push(piece);
    held += piece.length;
    for (;;) {
      if (ended && held > 0) throw new DamagedStream("something follows the manifest");
      if (held < HEAD_BYTES) break;
      const all: Buffer = waiting.length === 1 ? (waiting[0] ?? Buffer.alloc(0)) : Buffer.concat(waiting);
      waiting = [all];
      const length = all.readUInt32BE(1);
      if (length > FRAME_LIMIT) throw new DamagedStream("a part of it is too long");
      if (held < HEAD_BYTES + length) break;
      const frame = frameOf(String.fromCharCode(all[0] ?? 0), all.subarray(HEAD_BYTES, HEAD_BYTES + length));
      if (frame.kind === "data" && !member) throw new DamagedStream("a part of it belongs to no member");
      member ||= frame.kind === "member";
      ended = frame.kind === "end";
      waiting = [all.subarray(HEAD_BYTES + length)];
      held -= HEAD_BYTES + length;
      yield frame;
    }
  }
  if (!ended) throw new DamagedStream("it ends too early");
}

function frameOf(kind: string, content: Buffer): Frame {
  if (kind === KINDS.data) return { kind: "data", content };
  if (kind === KINDS.end) return { kind: "end", text: content.toString("utf8") };
  const name = content.toString("latin1");
  if (kind !== KINDS.member || !MEMBER_NAME.test(name))
    throw new DamagedStream("it has a part of no known kind");
  return { kind: "member", name };
}
