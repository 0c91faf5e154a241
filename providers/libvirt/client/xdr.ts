/** What is wrong with bytes that should be XDR, or with a value that cannot be written as XDR. */
export class XdrError extends Error {
  override readonly name = "XdrError";
}

/** Longest string that libvirt's protocol allows, in bytes. */
export const maximumString = 4_194_304;

const padding = (length: number): number => (4 - (length % 4)) % 4;

/** Writes XDR (RFC 4506) into a buffer that grows. Refuses what does not fit instead of cutting it off. */
export class XdrWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 512) {
    this.#buffer = Buffer.alloc(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written. Valid until the next write. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  int(value: number): void {
    if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0x7fff_ffff) {
      throw new XdrError(`${value} is not a signed 32-bit integer`);
    }
    const at = this.#grow(4);
    this.#buffer.writeInt32BE(value, at);
  }

  uint(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
      throw new XdrError(`${value} is not an unsigned 32-bit integer`);
    }
    const at = this.#grow(4);
    this.#buffer.writeUInt32BE(value, at);
  }

  bool(value: boolean): void {
    this.uint(value ? 1 : 0);
  }

  hyper(value: bigint): void {
    if (value !== BigInt.asIntN(64, value)) throw new XdrError(`${value} is not a signed 64-bit integer`);
    const at = this.#grow(8);
    this.#buffer.writeBigInt64BE(value, at);
  }

  uhyper(value: bigint): void {
    if (value !== BigInt.asUintN(64, value)) throw new XdrError(`${value} is not an unsigned 64-bit integer`);
    const at = this.#grow(8);
    this.#buffer.writeBigUInt64BE(value, at);
  }

  /** An unsigned 64-bit integer given as a number. */
  size(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new XdrError(`${value} is not a size`);
    this.uhyper(BigInt(value));
  }

  fixed(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length + padding(bytes.length));
    this.#buffer.set(bytes, at);
    this.#buffer.fill(0, at + bytes.length, this.#length);
  }

  opaque(bytes: Uint8Array, maximum: number): void {
    if (bytes.length > maximum) {
      throw new XdrError(`${bytes.length} bytes are more than the ${maximum} that libvirt accepts here`);
    }
    this.uint(bytes.length);
    this.fixed(bytes);
  }

  string(text: string, maximum: number = maximumString): void {
    if (text.includes("\0")) throw new XdrError("text must not contain a NUL character");
    const size = Buffer.byteLength(text);
    if (size > maximum) {
      throw new XdrError(`text of ${size} bytes is longer than the ${maximum} that libvirt accepts here`);
    }
    this.uint(size);
    const at = this.#grow(size + padding(size));
    this.#buffer.write(text, at, size, "utf8");
    this.#buffer.fill(0, at + size, this.#length);
  }

  optional<T>(value: T | undefined, write: (writer: XdrWriter, value: T) => void): void {
    this.bool(value !== undefined);
    if (value !== undefined) write(this, value);
  }

  array<T>(values: readonly T[], maximum: number, write: (writer: XdrWriter, value: T) => void): void {
    if (values.length > maximum) {
      throw new XdrError(`${values.length} entries are more than the ${maximum} that libvirt accepts here`);
    }
    this.uint(values.length);
    for (const value of values) write(this, value);
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(needed, this.#buffer.length * 2));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length = needed;
    return at;
  }
}

/** Reads XDR. Every length is checked against its limit and against what is left before anything is allocated. */
export class XdrReader {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  int(): number {
    return this.#buffer.readInt32BE(this.#take(4, "an integer"));
  }

  uint(): number {
    return this.#buffer.readUInt32BE(this.#take(4, "an integer"));
  }

  bool(): boolean {
    const value = this.uint();
    if (value > 1) throw new XdrError(`a truth value must be 0 or 1, not ${value}`);
    return value === 1;
  }

  hyper(): bigint {
    return this.#buffer.readBigInt64BE(this.#take(8, "a 64-bit integer"));
  }

  uhyper(): bigint {
    return this.#buffer.readBigUInt64BE(this.#take(8, "a 64-bit integer"));
  }

  /** An unsigned 64-bit integer as a number; refuses what a number cannot hold exactly. */
  size(): number {
    const value = this.uhyper();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new XdrError(`${value} is too large for a size`);
    return Number(value);
  }

  fixed(length: number): Buffer {
    const at = this.#take(length, `${length} bytes`);
    this.#skipPadding(length);
    return this.#buffer.subarray(at, at + length);
  }

  opaque(maximum: number): Buffer {
    const length = this.uint();
    if (length > maximum) throw new XdrError(`${length} bytes are more than the allowed ${maximum}`);
    return this.fixed(length);
  }

  /** Bytes that are not UTF-8 become U+FFFD, so that one odd file name does not hide all others. */
  string(maximum: number = maximumString): string {
    const length = this.uint();
    if (length > maximum) throw new XdrError(`text of ${length} bytes is longer than the allowed ${maximum}`);
    return this.fixed(length).toString("utf8");
  }

  optional<T>(read: (reader: XdrReader) => T): T | undefined {
    return this.bool() ? read(this) : undefined;
  }

  array<T>(maximum: number, read: (reader: XdrReader) => T): T[] {
    const length = this.uint();
    if (length > maximum) throw new XdrError(`${length} entries are more than the allowed ${maximum}`);
    // No entry of the protocol takes less than four bytes.
    if (length * 4 > this.remaining) {
      throw new XdrError(`${length} entries do not fit into the ${this.remaining} bytes that are left`);
    }
    const values: T[] = [];
    for (let index = 0; index < length; index++) values.push(read(this));
    return values;
  }

  /** Fails if bytes are left. */
  end(): void {
    if (this.remaining > 0) throw new XdrError(`${this.remaining} unexpected bytes at the end`);
  }

  #take(count: number, what: string): number {
    if (count > this.remaining) {
      throw new XdrError(`cut off: ${what} needs ${count} bytes, ${this.remaining} are left`);
    }
    const at = this.#offset;
    this.#offset += count;
    return at;
  }

  #skipPadding(length: number): void {
    const at = this.#take(padding(length), "padding");
    for (let index = at; index < this.#offset; index++) {
      if (this.#buffer[index] !== 0) throw new XdrError("padding must be zero");
    }
  }
}
