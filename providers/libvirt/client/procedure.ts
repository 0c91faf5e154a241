import { type ProgramNumber, program } from "./message.ts";
import type { CallOptions } from "./types.ts";
import type { XdrReader, XdrWriter } from "./xdr.ts";

/** One procedure of the protocol: its number and how its arguments and its answer lie on the wire. */
export interface Procedure<A, R> {
  readonly program: ProgramNumber;
  readonly number: number;
  /** Changes nothing, so it may be repeated when its answer was lost. */
  readonly readOnly: boolean;
  /** May hold its slot for long: a connection always keeps one slot free of such calls. */
  readonly slow: boolean;
  encode(writer: XdrWriter, args: A): void;
  decode(reader: XdrReader): R;
}

type Encode<A> = (writer: XdrWriter, args: A) => void;
type Decode<R> = (reader: XdrReader) => R;

/** A procedure that only reads. */
export function read<A, R>(number: number, encode: Encode<A>, decode: Decode<R>): Procedure<A, R> {
  return { program: program.remote, number, readOnly: true, slow: false, encode, decode };
}

/** A procedure that changes something. */
export function change<A, R>(number: number, encode: Encode<A>, decode: Decode<R>): Procedure<A, R> {
  return { program: program.remote, number, readOnly: false, slow: false, encode, decode };
}

/** A procedure that changes something and may take long. */
export function slowChange<A, R>(number: number, encode: Encode<A>, decode: Decode<R>): Procedure<A, R> {
  return { ...change(number, encode, decode), slow: true };
}

/** For procedures without arguments or without an answer. */
export function nothing(): void {}

/** What a call is called in messages and what it is about, with its limits. */
export interface CallContext extends CallOptions {
  /** Name of the function, for example `domainCreate`. */
  readonly operation: string;
  /** For example `domain node-1`; empty for the host. */
  readonly target: string;
}

/** Carries out calls on some connection to the host. */
export interface Caller {
  call<A, R>(procedure: Procedure<A, R>, args: A, context: CallContext): Promise<R>;
}

/** The call in words, for messages. */
export function describeCall(context: { operation: string; target: string }): string {
  return context.target === "" ? context.operation : `${context.operation} on ${context.target}`;
}
