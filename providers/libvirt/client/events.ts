import type { EventFunctions } from "./api.ts";
import type { Connection } from "./connection.ts";
import { LibvirtConnectionError, LibvirtError } from "./errors.ts";
import { messageOf, pause } from "./limits.ts";
import * as names from "./names.ts";
import {
  eventId,
  eventMessage,
  events as procedures,
  readAgentLifecycle,
  readIoError,
  readLifecycle,
  readReboot,
} from "./procedures/events.ts";
import type { DomainRef, EventOptions, Unsubscribe } from "./types.ts";
import { XdrReader } from "./xdr.ts";

type EventName = keyof typeof eventId;

interface Subscription {
  readonly onResync: (() => void) | undefined;
  deliver(body: Buffer): void;
}

/** One registration at the daemon, shared by all who want the same. */
interface Registration {
  readonly event: EventName;
  readonly domain: DomainRef | undefined;
  readonly subscriptions: Set<Subscription>;
  /** Connection on which it was sent last. */
  on: Connection | undefined;
  /** The daemon's number of it. */
  callback: number | undefined;
  ready: Promise<void>;
}

export interface EventHubOptions {
  readonly uri: string;
  open(onEvent: (procedure: number, payload: Buffer) => void, signal: AbortSignal): Promise<Connection>;
  readonly onWarning: (text: string) => void;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;

/** Subscriptions on a connection of their own, made at the first and registered again after an outage. */
export class EventHub implements EventFunctions {
  readonly #options: EventHubOptions;
  readonly #closing = new AbortController();
  readonly #registrations = new Map<string, Registration>();
  #connection: Connection | undefined;
  #connecting: Promise<Connection> | undefined;
  #recovering: Promise<void> | undefined;
  #early: { procedure: number; payload: Buffer }[] = [];

  constructor(options: EventHubOptions) {
    this.#options = options;
  }

  onDomainLifecycle: EventFunctions["onDomainLifecycle"] = (callback, options) =>
    this.#subscribe("lifecycle", options, readLifecycle, (event) => callback(names.lifecycleEvent(event)));

  onAgentLifecycle: EventFunctions["onAgentLifecycle"] = (callback, options) =>
    this.#subscribe("agentLifecycle", options, readAgentLifecycle, (event) =>
      callback(names.agentEvent(event)),
    );

  onIoError: EventFunctions["onIoError"] = (callback, options) =>
    this.#subscribe("ioError", options, readIoError, (event) => callback(names.ioErrorEvent(event)));

  onReboot: EventFunctions["onReboot"] = (callback, options) =>
    this.#subscribe("reboot", options, readReboot, callback);

  close(): void {
    this.#closing.abort(new Error("the client was closed"));
    this.#registrations.clear();
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #subscribe<T>(
    event: EventName,
    options: EventOptions | undefined,
    read: (reader: XdrReader) => T,
    callback: (event: T) => void,
  ): Promise<Unsubscribe> {
    if (this.#closing.signal.aborted) throw this.#error("closed", "the client was closed");
    const deliver = (body: Buffer) => {
      const reader = new XdrReader(body);
      const value = read(reader);
      reader.end();
      callback(value);
    };
    const subscription: Subscription = { onResync: options?.onResync, deliver };
    const key = `${event} ${options?.domain?.uuid ?? ""}`;
    const registration = this.#registrations.get(key) ?? newRegistration(event, options?.domain);
    this.#registrations.set(key, registration);
    registration.subscriptions.add(subscription);
    const unsubscribe = () => this.#unsubscribe(key, subscription);
    try {
      await this.#register(await this.#connect(), registration);
    } catch (error) {
      unsubscribe();
      throw error;
    }
    return unsubscribe;
  }

  #unsubscribe(key: string, subscription: Subscription): void {
    const registration = this.#registrations.get(key);
    if (!registration?.subscriptions.delete(subscription) || registration.subscriptions.size > 0) return;
    this.#registrations.delete(key);
    const { callback } = registration;
    if (callback === undefined || this.#connection === undefined) return;
    // A daemon that is gone has forgotten the registration anyway.
    this.#connection.call(procedures.deregister, callback, context("deregisterEvent")).catch(() => undefined);
  }

  /** Registers once on a connection, whoever asks. */
  #register(connection: Connection, registration: Registration): Promise<void> {
    if (registration.on !== connection) {
      registration.on = connection;
      registration.ready = this.#sendRegistration(connection, registration);
    }
    return registration.ready;
  }

  async #sendRegistration(connection: Connection, registration: Registration): Promise<void> {
    const args = { event: eventId[registration.event], domain: registration.domain };
    registration.callback = await connection.call(procedures.register, args, context("registerEvent"));
    const early = this.#early;
    this.#early = [];
    for (const { procedure, payload } of early) this.#deliver(procedure, payload);
  }

  #connect(): Promise<Connection> {
    if (this.#connection?.open) return Promise.resolve(this.#connection);
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<Connection> {
    // Answers are handled as promises, which run after the data of their packet: so must events, to keep the order.
    const onEvent = (procedure: number, payload: Buffer) =>
      void setImmediate(() => this.#deliver(procedure, payload));
    let connection: Connection;
    try {
      connection = await this.#options.open(onEvent, this.#closing.signal);
    } catch (error) {
      throw this.#error(
        "unreachable",
        `cannot connect to ${this.#options.uri} for events: ${messageOf(error)}`,
      );
    }
    if (this.#closing.signal.aborted) {
      connection.close();
      throw this.#error("closed", "the client was closed");
    }
    this.#connection = connection;
    connection.onChange = () => {
      if (!connection.open && this.#connection === connection) this.#lost();
    };
    connection.onChange();
    return connection;
  }

  #lost(): void {
    this.#connection = undefined;
    this.#early = [];
    for (const registration of this.#registrations.values()) registration.callback = undefined;
    this.#recovering ??= this.#recover().finally(() => {
      this.#recovering = undefined;
    });
  }

  /** Tries without end: whoever subscribed still waits for events. */
  async #recover(): Promise<void> {
    const { signal } = this.#closing;
    let warned = false;
    for (let wait = firstPauseMs; !signal.aborted; wait = Math.min(wait * 2, longestPauseMs)) {
      await pause(wait, signal).catch(() => undefined);
      if (signal.aborted || this.#registrations.size === 0) return;
      try {
        await this.#registerAgain(await this.#connect());
        return;
      } catch (error) {
        if (!warned && !signal.aborted) this.#options.onWarning(messageOf(error));
        warned = true;
      }
    }
  }

  async #registerAgain(connection: Connection): Promise<void> {
    const registrations = [...this.#registrations.values()];
    for (const registration of registrations) {
      try {
        await this.#register(connection, registration);
      } catch (error) {
        // The daemon knows the domain no more: its subscribers learn that when they look.
        if (!(error instanceof LibvirtError)) throw error;
        this.#options.onWarning(messageOf(error));
      }
    }
    for (const registration of registrations) this.#resync(registration);
  }

  #resync(registration: Registration): void {
    for (const subscription of registration.subscriptions) this.#guarded(() => subscription.onResync?.());
  }

  #deliver(procedure: number, payload: Buffer): void {
    const event = eventOf(procedure);
    if (event === undefined) return;
    this.#guarded(() => {
      const callback = new XdrReader(payload).int();
      const registration = [...this.#registrations.values()].find((one) => one.callback === callback);
      if (registration === undefined) {
        this.#keepEarly(procedure, payload);
        return;
      }
      const body = payload.subarray(4);
      for (const { deliver } of registration.subscriptions) this.#guarded(() => deliver(body));
    });
  }

  /** An event may overtake the answer to its registration; one that nobody wants any more is dropped with the next. */
  #keepEarly(procedure: number, payload: Buffer): void {
    if (this.#early.length >= 100) this.#early.shift();
    this.#early.push({ procedure, payload });
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#options.onWarning(`an event of ${this.#options.uri} could not be handled: ${messageOf(error)}`);
    }
  }

  #error(kind: "closed" | "unreachable", text: string): LibvirtConnectionError {
    return new LibvirtConnectionError(text, { kind, outcome: "not-done", uri: this.#options.uri });
  }
}

function eventOf(procedure: number): EventName | undefined {
  if (procedure === eventMessage.lifecycle) return "lifecycle";
  if (procedure === eventMessage.reboot) return "reboot";
  if (procedure === eventMessage.ioError) return "ioError";
  return procedure === eventMessage.agentLifecycle ? "agentLifecycle" : undefined;
}

function newRegistration(event: EventName, domain: DomainRef | undefined): Registration {
  const ready = Promise.resolve();
  return { event, domain, subscriptions: new Set(), on: undefined, callback: undefined, ready };
}

const context = (operation: string) => ({ operation, target: "" });
