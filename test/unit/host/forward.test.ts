import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Forward, forwardPaths, forwardUnits, socketName } from "../../../planning/forward-units.ts";
import { applyPreparation, showPreparation } from "../../../tools/commands/host-prepare.ts";
import { checkForwards } from "../../../tools/host/checks/forward.ts";
import type { HostNeeds } from "../../../tools/host/facts.ts";
import { parseFiles, parseListeners } from "../../../tools/host/forward-facts.ts";
import { forwardNeeds } from "../../../tools/host/gather.ts";
import { type Preparation, planPreparation } from "../../../tools/host/prepare.ts";
import { known, unknown } from "../../../tools/preflight/facts.ts";
import { Reporter } from "../../../tools/report/progress.ts";
import { hpcOf, config as labConfig } from "../planning/lab.ts";
import { forwardFacts, healthy, healthyLibvirt, healthySystem, needs } from "./facts.ts";

const forward: Forward = { cluster: "lab", port: 2222, target: "10.50.0.2" };
const declared = (over: Partial<Forward> = {}): HostNeeds => ({
  ...needs,
  forward: known({ cluster: "lab", forward: { ...forward, ...over } }),
});
const filesOf = (each: Forward, proxy?: string) =>
  forwardUnits(each, proxy).map(({ path, text }) => [path, text] as const);
const socketOf = (cluster: string, state: "active" | "inactive" = "active") =>
  [
    socketName(cluster),
    new Map([
      ["ActiveState", state],
      ["UnitFileState", "enabled"],
    ]),
  ] as const;
/** The facts of a host that leads the port to the login machine. */
const open = (over: Partial<Forward> = {}) =>
  forwardFacts({
    files: new Map(filesOf({ ...forward, ...over })),
    sockets: new Map([socketOf("lab")]),
    listening: known([{ port: 22 }, { port: 2222 }]),
  });
const check = (facts = forwardFacts(), wanted = declared(), machines = ["lab-controller"]) => {
  const [domain] = healthyLibvirt().domains;
  const domains = domain === undefined ? [] : machines.map((name) => ({ ...domain, name }));
  return checkForwards(healthy({ forwards: known(facts) }, { domains }), wanted).map(
    ({ id, state, what }) => `${state} ${id}: ${what}`,
  );
};
const prepare = (facts = forwardFacts(), wanted = declared()) =>
  planPreparation(healthySystem({ forwards: known(facts) }), wanted);
const commandsOf = (plan: ReturnType<typeof prepare>) =>
  [...plan.first, ...plan.commands].map((command) => command.join(" "));

describe("a port of the host", () => {
  it("that is not there is an error, and is made by two units, a reload and a start", () => {
    expect(check()).toEqual(["error forward: port 2222 does not lead to the login machine 10.50.0.2"]);
    const plan = prepare();
    expect(plan.files.map(({ after, before, path }) => [path, before, after])).toEqual(
      filesOf(forward).map(([path, text]) => [path, undefined, text]),
    );
    expect(commandsOf(plan)).toEqual([
      "systemctl daemon-reload",
      "systemctl enable hyperlab-forward-lab.socket",
      "systemctl start hyperlab-forward-lab.socket",
    ]);
  });

  it("that is as declared passes and needs nothing", () => {
    expect(check(open())).toEqual(["passed forward: port 2222 leads to the login machine 10.50.0.2"]);
    const plan = prepare(open());
    expect([...plan.files, ...commandsOf(plan), ...plan.conflicts]).toEqual([]);
  });

  it.each<[string, Partial<Forward>]>([
    ["another port", { port: 2223 }],
    ["another address of the host", { listen: "192.0.2.1" }],
    ["another login machine", { target: "10.50.0.9" }],
  ])("that is declared with %s is written anew and starts again", (_, over) => {
    expect(check(open(), declared(over)).join()).toContain("are not as they should be");
    const plan = prepare(open(), declared(over));
    expect(plan.files.length).toBeGreaterThan(0);
    expect(plan.files.flatMap(({ overrides }) => overrides)).toEqual([]);
    expect(commandsOf(plan)).toEqual([
      "systemctl stop hyperlab-forward-lab.socket",
      "systemctl daemon-reload",
      "systemctl start hyperlab-forward-lab.socket",
    ]);
  });

  it("whose socket is off is an error, and is started", () => {
    const off = { ...open(), sockets: new Map([socketOf("lab", "inactive")]), listening: known([]) };
    expect(check(off)).toEqual(["error forward: hyperlab-forward-lab.socket is enabled and not active"]);
    expect(commandsOf(prepare(off))).toEqual([
      "systemctl daemon-reload",
      "systemctl start hyperlab-forward-lab.socket",
    ]);
  });

  it("whose files somebody else wrote is taken over only with a word about it", () => {
    const [path = ""] = forwardPaths("lab");
    const { files } = prepare(forwardFacts({ files: new Map([[path, "[Socket]\n"]]) }));
    expect(files.flatMap(({ overrides }) => overrides)).toEqual([`all of ${path}`]);
  });

  it.each([
    [
      "something else listens there",
      forwardFacts({ listening: known([{ port: 2222 }]) }),
      /something else listens/,
    ],
    [
      "another cluster has it",
      forwardFacts({ files: new Map(filesOf({ ...forward, cluster: "other" })) }),
      /leads to cluster other already/,
    ],
    ["the program is missing", forwardFacts({ proxy: undefined }), /no systemd-socket-proxyd/],
    [
      "our own socket is open at another port only",
      { ...open({ port: 2223 }), listening: known([{ port: 2222 }, { port: 2223 }]) },
      /something else listens/,
    ],
  ])("is not touched where %s", (_, facts, why) => {
    expect(check(facts, declared(), ["lab-controller", "other-controller"]).join()).toMatch(
      new RegExp(`^error forward: .*${why.source}`),
    );
    const plan = prepare(facts);
    expect(plan.conflicts.join()).toMatch(why);
    expect([...plan.files, ...commandsOf(plan)]).toEqual([]);
  });

  it.each([
    ["at all addresses, and one of them is taken", undefined, "192.0.2.1", true],
    ["at an address that is taken", "192.0.2.1", "192.0.2.1", true],
    ["at an address, and another one is taken", "192.0.2.1", "192.0.2.2", false],
  ])("declared %s", (_, listen, taken, clashes) => {
    const listening = known([{ port: 2222, address: taken }]);
    const wanted = declared(listen === undefined ? {} : { listen });
    expect(prepare(forwardFacts({ listening }), wanted).conflicts.length > 0).toBe(clashes);
  });

  it("is made where nobody can see what listens", () => {
    const facts = forwardFacts({ listening: unknown("no /proc") });
    expect(prepare(facts).files).toHaveLength(2);
  });

  it("that is declared no more is told, closed and deleted", () => {
    expect(check(open(), needs).join()).toMatch(/^warning forward: .*declares no port of this host/);
    const plan = prepare(open(), needs);
    expect(plan.files.map(({ after, path }) => [path, after])).toEqual(
      forwardPaths("lab").map((path) => [path, undefined]),
    );
    expect(commandsOf(plan)).toEqual([
      "systemctl disable --now hyperlab-forward-lab.socket",
      "systemctl daemon-reload",
    ]);
  });

  it("of another cluster is left alone, and told where that has no login machine here", () => {
    const files = new Map([...open().files, ...filesOf({ ...forward, cluster: "other", port: 2300 })]);
    const facts = { ...open(), files };
    expect(prepare(facts, needs).files.map(({ path }) => path)).toEqual(forwardPaths("lab"));
    expect(check(facts, declared(), ["lab-controller", "other-controller"])).toHaveLength(1);
    const [, told] = check(facts, declared());
    expect(told).toMatch(/^warning forward-abandoned: port 2300 leads to cluster other/);
  });

  it("is not guessed where host or file say nothing", () => {
    const state = healthy({ forwards: unknown("systemd does not run there") });
    expect(checkForwards(state, declared())).toMatchObject([{ state: "unknown" }]);
    expect(planPreparation(state.system, declared()).open.join()).toContain("systemd does not run there");
    const unread = { ...needs, forward: unknown("the cluster file cannot be read") };
    expect(checkForwards(healthy({ forwards: known(open()) }), unread)).toMatchObject([{ state: "unknown" }]);
    expect(prepare(open(), unread).files).toEqual([]);
  });

  it("comes to rest: what a plan makes is declared, runs so, and needs no other plan, wherever an earlier run ended", () => {
    const some = fc.record({
      port: fc.constantFrom(2222, 2223),
      target: fc.constantFrom("10.50.0.2", "10.50.0.3"),
    });
    const wishes = fc.array(fc.option(some, { nil: undefined }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(wishes, fc.nat(9), (wanted, cut) => {
        const host = new Host();
        for (const [index, wish] of wanted.entries()) {
          const goal = wish === undefined ? needs : declared(wish);
          const last = index === wanted.length - 1;
          host.apply(prepare(host.facts(), goal), last ? undefined : cut);
          if (!last) continue;
          const again = prepare(host.facts(), goal);
          expect([...again.files, ...commandsOf(again)]).toEqual([]);
          expect(check(host.facts(), goal).every((line) => line.startsWith("passed"))).toBe(true);
          const files = wish === undefined ? undefined : new Map(filesOf({ ...forward, ...wish }));
          expect(host.running).toEqual(files);
        }
      }),
    );
  });
});

/** Files and systemd as they take a plan, which may be cut off after some steps. */
class Host {
  files = new Map<string, string>();
  loaded = this.files;
  running: ReadonlyMap<string, string> | undefined;
  enabled = false;

  facts() {
    const unit = new Map([
      ["ActiveState", this.running === undefined ? "inactive" : "active"],
      ["UnitFileState", this.enabled ? "enabled" : "disabled"],
    ]);
    return forwardFacts({
      files: new Map(this.files),
      sockets: new Map([[socketName("lab"), unit]]),
      listening: known([]),
    });
  }

  apply({ commands, files, first }: Preparation, cut = Number.POSITIVE_INFINITY): void {
    const steps = [
      ...first.map((command) => () => this.#run(command[1])),
      ...files.map(({ after, path }) => () => {
        if (after === undefined) this.files.delete(path);
        else this.files.set(path, after);
      }),
      ...commands.map((command) => () => this.#run(command[1])),
    ];
    for (const step of steps.slice(0, cut)) step();
  }

  #run(verb: string | undefined): void {
    if (verb === "daemon-reload") this.loaded = new Map(this.files);
    if (verb === "start" && this.running === undefined) this.running = this.loaded;
    if (verb === "stop" || verb === "disable") this.running = undefined;
    if (verb === "enable" || verb === "disable") this.enabled = verb === "enable";
  }
}

describe("what a cluster file asks of a host", () => {
  const lab = labConfig({ hpc: "access: { forward: { port: 2222 } }" });
  it("is the port on its own host, and none on another one", () => {
    const { uri } = hpcOf(lab).host;
    expect(forwardNeeds(lab, uri)).toEqual(known({ cluster: "lab", forward }));
    expect(forwardNeeds(lab, "qemu+ssh://other/system")).toEqual(
      known({ cluster: "lab", forward: undefined }),
    );
    expect(forwardNeeds(undefined, uri)).toMatchObject({ known: false });
  });
});

describe("what the probe prints of ports", () => {
  it("is files one after another", () => {
    const files = new Map(filesOf(forward));
    const text = [...files].map(([path, body]) => `@@file ${path}\n${body}`).join("");
    expect(parseFiles(text)).toEqual(files);
    expect(parseFiles("@@file /a\n@@file /b\n[Socket]\n")).toEqual(
      new Map([
        ["/a", ""],
        ["/b", "[Socket]\n"],
      ]),
    );
    expect(parseFiles("")).toEqual(new Map());
  });

  it("is where something listens, as the kernel writes it", () => {
    const lines = [
      "00000000:0016",
      "0100007F:08AE",
      "00000000000000000000000000000000:08AE",
      "0000000000000000FFFF00000A3AA8C0:01BB",
      "00000000000000000000000001000000:0277",
      "",
    ];
    expect(parseListeners(lines.join("\n"))).toEqual([
      { port: 22 },
      { port: 2222, address: "127.0.0.1" },
      { port: 2222 },
      { port: 443, address: "192.168.58.10" },
      { port: 631 },
    ]);
    fc.assert(
      fc.property(fc.string(), (text) => {
        parseListeners(text);
        parseFiles(text);
      }),
    );
  });
});

describe("applying", () => {
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "hyperlab-forward-"));
    mkdirSync(join(root, "/etc/systemd/system"), { recursive: true });
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it("makes the units before systemd reads them, and closes the port before they are deleted", async () => {
    const said: string[] = [];
    const report = new Reporter({ write: (text) => void said.push(text), isTerminal: false, columns: 200 });
    const folder = join(root, "/etc/systemd/system");
    const seen: [string, string[]][] = [];
    const runCommand = async (command: readonly string[]) => {
      seen.push([command[1] ?? "", readdirSync(folder).sort()]);
    };
    const units = ["hyperlab-forward-lab.service", "hyperlab-forward-lab.socket"];
    await applyPreparation(prepare(), report, root, runCommand);
    expect(readFileSync(join(folder, "hyperlab-forward-lab.socket"), "utf8")).toContain(
      "ListenStream=2222\n",
    );
    expect(seen).toEqual([
      ["daemon-reload", units],
      ["enable", units],
      ["start", units],
    ]);
    seen.length = 0;
    const removal = prepare(open(), needs);
    showPreparation(report, removal);
    await applyPreparation(removal, report, root, runCommand);
    expect(seen).toEqual([
      ["disable", units],
      ["daemon-reload", []],
    ]);
    expect(said.join("")).toContain("+++ /dev/null");
    expect(said.join("")).toContain("Deleted: /etc/systemd/system/hyperlab-forward-lab.socket");
  });
});
