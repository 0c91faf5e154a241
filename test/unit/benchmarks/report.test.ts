import { describe, expect, it } from "vitest";
import { parseOptions } from "../../benchmarks/options.ts";
import { figureOf, isMet, type Measure, ratioOf, renderReport } from "../../benchmarks/report.ts";

const up: Measure = {
  what: "`up`",
  budget: { ratio: 1.5 },
  ours: figureOf("", "s", [33.04]),
  floors: [figureOf("engine", "s", [30, 22, 24]), { label: "libvirt", value: 11, unit: "s" }],
  note: "processor time: 1 s",
};
const state: Measure = {
  what: "state per machine",
  budget: { amount: 3 },
  ours: { label: "", value: 3.25, unit: "KB" },
  obstacle: "bytes are large",
};

const refresh: Measure = {
  what: "`refresh`",
  budget: { amount: 3 },
  ours: figureOf("", "s", [5]),
  floors: [figureOf("engine", "s", [4])],
};

describe("figures", () => {
  it("are the median with smallest and largest run", () => {
    expect(figureOf("x", "s", [5, 1, 3])).toEqual({ label: "x", unit: "s", value: 3, range: [1, 5] });
    expect(figureOf("x", "s", [4, 2])).toEqual({ label: "x", unit: "s", value: 2, range: [2, 4] });
  });

  it("of one run have no range, of none are an error", () => {
    expect(figureOf("x", "MB", [7])).toEqual({ label: "x", unit: "MB", value: 7 });
    expect(() => figureOf("x", "MB", [])).toThrow('nothing was measured for "x"');
  });
});

describe("a budget", () => {
  it("on a ratio compares with the largest floor", () => {
    expect(ratioOf(up)).toBeCloseTo(33.04 / 24);
    expect(isMet(up)).toBe(true);
    expect(isMet({ ...up, budget: { ratio: 1.3 } })).toBe(false);
  });

  it("on an amount looks at our side alone", () => {
    expect(isMet(state)).toBe(false);
    expect(isMet({ ...state, budget: { amount: 3.25 } })).toBe(true);
  });

  it("is neither met nor missed where there is none or nothing to compare with", () => {
    const { budget: _, ...free } = up;
    expect(isMet(free)).toBeUndefined();
    const { floors: __, ...alone } = up;
    expect(ratioOf(alone)).toBeUndefined();
    expect(isMet(alone)).toBeUndefined();
    expect(ratioOf({ ...up, floors: [{ label: "nothing", value: 0, unit: "s" }] })).toBeUndefined();
  });
});

describe("the page", () => {
  const page = renderReport({
    machine: [["machine", "2 cores | emulation"]],
    missing: ["up-9"],
    sections: [
      {
        title: "7 nodes",
        text: "Words.",
        measures: [{ ...up, obstacle: "never said" }, state, refresh],
        circumstances: { date: "2026-01-02", load: [0.26, 3] },
      },
    ],
  });

  it("has a row for each measure, with both sides and the verdict", () => {
    expect(page).toContain(
      "| `up` | 1.5 × | 1.38 × | met | 33.0 s | engine: 24.0 s (22.0–30.0); libvirt: 11.0 s |",
    );
    expect(page).toContain("| state per machine | 3.00 KB | 3.25 KB | **missed** | 3.25 KB |  |");
  });

  it("names the day and the machine, and puts notes below the table", () => {
    expect(page).toContain("Measured on 2026-01-02, load 0.3 before and 3.0 after.");
    expect(page).toContain("| machine | 2 cores \\| emulation |");
    expect(page).toContain("- `up`: processor time: 1 s\n");
  });

  it("says what stands in the way of a budget that is missed, and what was not measured", () => {
    expect(page).toContain("- state per machine: bytes are large\n");
    expect(page).toContain("- `refresh`: here and now a floor alone misses the budget\n");
    expect(page).not.toContain("never said");
    expect(page).toContain("Not measured yet: up-9.\n");
    expect(page.endsWith("\n")).toBe(true);
  });

  it("has the same number of columns in every row of a table", () => {
    const columns = page
      .split("\n")
      .filter((line) => line.startsWith("|"))
      .map((line) => line.replaceAll("\\|", "").split("|").length);
    expect(new Set(columns)).toEqual(new Set([4, 8]));
  });
});

describe("the command line", () => {
  const ids = (args: string[]) => parseOptions(args).measure.map((task) => task.id);

  it("measures 1,000 and 4,000 nodes and writes the page by default", () => {
    expect(ids([])).toEqual(
      ["start", "planning", "addresses"].concat(["up-1000", "unchanged-1000", "up-4000", "unchanged-4000"]),
    );
    expect(parseOptions([])).toMatchObject({ continue: false, allCheckpoints: false, write: true });
  });

  it("takes sizes in any order", () => {
    expect(ids(["--nodes", "4000,100", "--only", "up"])).toEqual(["up-100", "up-4000"]);
  });

  it("measures a part for a whole page", () => {
    const options = parseOptions(["--only", "planning,start", "--continue"]);
    expect(options.measure.map((task) => task.id)).toEqual(["start", "planning"]);
    expect(options.page).toEqual(parseOptions([]).page);
    expect(options.continue).toBe(true);
  });

  it.each([[["--nodes", "many"]], [["--nodes", "0"]], [["--only", "everything"]]])(
    "refuses %j and says what is allowed",
    (args) => {
      expect(() => parseOptions(args)).toThrow("npm run bench --");
    },
  );
});
