import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type {
  ClientOptions,
  DomainLifecycleEvent,
  LibvirtClient,
} from "../../../providers/libvirt/client/index.ts";
import { createLibvirtClient, LibvirtConnectionError } from "../../../providers/libvirt/client/index.ts";
import { type OwnLibvirtd, startOwnLibvirtd } from "../../support/libvirtd.ts";
import { waitFor } from "../../support/wait.ts";

let daemon: OwnLibvirtd;
const clients: LibvirtClient[] = [];

beforeAll(async () => {
  daemon = await startOwnLibvirtd();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(() => daemon?.stop());

function connect(uri: string, options: ClientOptions = {}): LibvirtClient {
  const client = createLibvirtClient(uri, options);
  clients.push(client);
  return client;
}

const testDomain = (name: string) =>
  `<domain type='test'><name>${name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>`;

describe("many calls at the same time", () => {
  it("200 are all answered, in turn on four connections of four calls", async () => {
    const client = connect(daemon.testUri);
    const names = Array.from({ length: 200 }, (_, index) => `many-${index}`);
    const made = await Promise.all(names.map((name) => client.domainDefineXml(testDomain(name))));
    expect(made.map(({ name }) => name)).toEqual(names);
    await Promise.all(made.map((ref) => client.domainCreate(ref)));
    const states = await Promise.all(made.map((ref) => client.domainGetState(ref)));
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(["running"]));
    await Promise.all(
      made.map(async (ref) => {
        await client.domainDestroy(ref);
        await client.domainUndefine(ref);
      }),
    );
    expect((await client.domainList()).map(({ name }) => name)).toEqual(["test"]);
  });

  it("200 calls of one connection as well", async () => {
    const client = connect(daemon.testUri, { maxConnections: 1 });
    const answers = await Promise.all(Array.from({ length: 200 }, () => client.getType()));
    expect(new Set(answers)).toEqual(new Set(["TEST"]));
  });
});

describe("power states and events of the test hypervisor", () => {
  it("follow one another", async () => {
    const client = connect(daemon.testUri);
    const seen: string[] = [];
    const unsubscribe = await client.onDomainLifecycle(({ domain, event, detail }) => {
      seen.push(`${domain.name} ${event} ${detail}`);
    });
    const ref = await client.domainDefineXml(testDomain("events"));
    const only: DomainLifecycleEvent[] = [];
    const unsubscribeOne = await client.onDomainLifecycle((event) => only.push(event), { domain: ref });
    const running = await client.domainCreate(ref);
    await client.domainSuspend(running);
    expect(await client.domainGetState(running)).toMatchObject({ state: "paused", reason: "user" });
    await client.domainResume(running);
    await client.domainShutdown(running);
    expect(await client.domainGetState(running)).toMatchObject({ state: "shutoff", reason: "shutdown" });
    await client.domainUndefine(ref);
    const expected = [
      "events defined added",
      "events started booted",
      "events suspended paused",
      "events resumed unpaused",
      "events stopped shutdown",
      "events undefined removed",
    ];
    const ofOne = ["started", "suspended", "resumed", "stopped", "undefined"];
    // The daemon sends an event to each registration in turn.
    await waitFor("last events", () => seen.length >= expected.length && only.length >= ofOne.length);
    expect(seen).toEqual(expected);
    expect(only.map(({ event }) => event)).toEqual(ofOne);
    unsubscribe();
    unsubscribeOne();
    await client.domainUndefine(await client.domainDefineXml(testDomain("unheard")));
    const heard = await connectAndWaitForEvent(client);
    expect(heard).toContain("barrier");
    expect(seen).toEqual(expected);
  });

  it("a callback that throws disturbs nobody else", async () => {
    const warnings: string[] = [];
    const client = connect(daemon.testUri, { onWarning: (text) => warnings.push(text) });
    const seen: string[] = [];
    await client.onDomainLifecycle(() => {
      throw new Error("the callback failed");
    });
    await client.onDomainLifecycle(({ domain }) => seen.push(domain.name));
    await client.domainUndefine(await client.domainDefineXml(testDomain("loud")));
    await waitFor("events", () => seen.length >= 2);
    expect(warnings.join()).toContain("the callback failed");
  });

  it("the other kinds of events can be registered", async () => {
    const client = connect(daemon.qemuUri);
    const subscriptions = [
      await client.onAgentLifecycle(() => {}),
      await client.onIoError(() => {}),
      await client.onReboot(() => {}),
    ];
    for (const unsubscribe of subscriptions) unsubscribe();
  });
});

/** Makes something happen that a new subscription must hear: everything before it has then been delivered. */
async function connectAndWaitForEvent(client: LibvirtClient): Promise<string[]> {
  const heard: string[] = [];
  const unsubscribe = await client.onDomainLifecycle(({ domain }) => heard.push(domain.name));
  await client.domainUndefine(await client.domainDefineXml(testDomain("barrier")));
  await waitFor("event of the barrier", () => heard.includes("barrier"));
  unsubscribe();
  return heard;
}

describe("a daemon that is killed and started again", () => {
  beforeEach(async () => {
    await daemon.kill();
    await daemon.start();
  });

  it("calls wait for it and go on", async () => {
    const client = connect(daemon.qemuUri);
    expect(await client.getType()).toBe("QEMU");
    await daemon.kill();
    const pending = Array.from({ length: 50 }, () => client.getType());
    const change = client.networkDefineXml("<network><name>after</name></network>");
    await daemon.start();
    expect(new Set(await Promise.all(pending))).toEqual(new Set(["QEMU"]));
    const ref = await change;
    await client.networkUndefine(ref);
  });

  it("reads under way are repeated; changes under way say that their outcome is unknown", async () => {
    const client = connect(daemon.qemuUri);
    await client.getType();
    // A daemon that is stopped takes calls but does not answer: they are under way when it dies.
    daemon.freeze();
    const read = client.getHostname();
    const change = client.domainDefineXml("<domain type='qemu'><name>x</name></domain>");
    const failed = expect(change).rejects.toMatchObject({
      name: "LibvirtConnectionError",
      kind: "lost",
      outcome: "unknown",
      message: expect.stringMatching(/domainDefineXml on domain x.*unknown: look before trying again/s),
    });
    await new Promise((resolve) => setImmediate(resolve));
    await daemon.kill();
    await daemon.start();
    expect(await read).not.toBe("");
    await failed;
    expect(await client.domainLookupByName("x")).toBeUndefined();
  });

  it("events are registered again, and subscribers are told to look", async () => {
    const client = connect(daemon.testUri);
    const seen: string[] = [];
    let resyncs = 0;
    await client.onDomainLifecycle(({ domain, event }) => seen.push(`${domain.name} ${event}`), {
      onResync: () => {
        resyncs += 1;
      },
    });
    await daemon.kill();
    await daemon.start();
    await waitFor("resync", () => resyncs === 1);
    const ref = await client.domainDefineXml(testDomain("again"));
    await waitFor("event after the restart", () => seen.includes("again defined"));
    await client.domainUndefine(ref);
    expect(resyncs).toBe(1);
  });

  it("one that does not come back: an error within the time for reconnection", async () => {
    const client = connect(daemon.qemuUri, { reconnectTimeoutMs: 500 });
    await client.getType();
    await daemon.kill();
    // Less than what is waited for by default.
    await expect(client.getType({ timeoutMs: 25_000 })).rejects.toMatchObject({
      name: "LibvirtConnectionError",
      kind: "unreachable",
      outcome: "not-done",
      message: expect.stringMatching(
        /cannot connect to qemu\+unix:.*for getType: nobody answers at the socket/,
      ),
    });
    await daemon.start();
    expect(await client.getType()).toBe("QEMU");
  });
});

describe("a daemon that hangs", () => {
  afterEach(() => daemon.thaw());

  it("is noticed by keep-alive", async () => {
    const client = connect(daemon.qemuUri, { keepAliveIntervalMs: 400, keepAliveCount: 2 });
    await client.getType();
    daemon.freeze();
    await expect(client.domainDefineXml("<domain/>")).rejects.toMatchObject({
      kind: "lost",
      outcome: "unknown",
      message: expect.stringContaining("no sign of life for"),
    });
    daemon.thaw();
    expect(await client.getType()).toBe("QEMU");
  });

  it("costs a call its deadline and no more", async () => {
    const client = connect(daemon.qemuUri);
    await client.getType();
    daemon.freeze();
    const late = await client.getHostname({ timeoutMs: 200 }).catch((error: unknown) => error);
    expect(late).toBeInstanceOf(LibvirtConnectionError);
    expect(late).toMatchObject({ kind: "deadline", outcome: "not-done" });
    await expect(client.domainDefineXml("<domain/>", { timeoutMs: 200 })).rejects.toMatchObject({
      kind: "deadline",
      outcome: "unknown",
      message: expect.stringMatching(/domainDefineXml on a new domain.*no answer within 200 ms/),
    });
    daemon.thaw();
    expect(await client.getType()).toBe("QEMU");
  });

  it("does not hold a call that is aborted", async () => {
    const client = connect(daemon.qemuUri);
    await client.getType();
    daemon.freeze();
    const controller = new AbortController();
    const call = client.getHostname({ signal: controller.signal });
    controller.abort(new Error("the user stopped it"));
    await expect(call).rejects.toThrow("the user stopped it");
    await expect(client.getHostname({ signal: controller.signal })).rejects.toThrow("the user stopped it");
  });

  it("does not hold the first connection longer than its time", async () => {
    daemon.freeze();
    const client = connect(daemon.qemuUri, { connectTimeoutMs: 300 });
    await expect(client.getType()).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("no answer within 300 ms; the daemon hangs or is still starting"),
    });
  });
});

describe("what cannot be reached", () => {
  it("says so at once, with the remedy", async () => {
    const client = connect(`qemu+unix:///system?socket=${daemon.directory}/none`);
    await expect(client.getType()).rejects.toMatchObject({
      kind: "unreachable",
      outcome: "not-done",
      message: expect.stringMatching(/for getType: the socket .*none does not exist; is libvirtd/),
    });
  });

  it("a session is warned about", () => {
    const warnings: string[] = [];
    connect("qemu:///session", { onWarning: (text) => warnings.push(text) });
    expect(warnings).toEqual([expect.stringContaining("for development only")]);
  });
});

describe("a client that is closed", () => {
  it("rejects what is under way, what waits and what comes", async () => {
    const client = connect(daemon.qemuUri, { maxConnections: 1 });
    await client.getType();
    daemon.freeze();
    try {
      const calls = Array.from({ length: 10 }, () => client.getType());
      const results = Promise.allSettled(calls);
      await client.close();
      await client.close();
      for (const result of await results) {
        expect(result).toMatchObject({ status: "rejected", reason: { kind: "closed" } });
      }
      await expect(client.getType()).rejects.toMatchObject({ kind: "closed", outcome: "not-done" });
      await expect(client.onReboot(() => {})).rejects.toMatchObject({ kind: "closed" });
    } finally {
      daemon.thaw();
    }
  });
});
