/** Pure: from figures to the report. */

export type Unit = "s" | "MB" | "KB";

/** One side of a comparison. */
export interface Figure {
  /** Who was measured, for example `engine, empty resources`. Empty where there is one side only. */
  readonly label: string;
  /** Median where there were several runs. */
  readonly value: number;
  readonly unit: Unit;
  /** Smallest and largest run. */
  readonly range?: readonly [number, number];
}

/** What the design allows: a ratio to the largest floor, or an amount in the figure's own unit. */
export type Budget = { readonly ratio: number } | { readonly amount: number };

/** One measured thing. */
export interface Measure {
  readonly what: string;
  /** Undefined: shown, but the design sets no limit. */
  readonly budget?: Budget;
  readonly ours: Figure;
  /** What nobody could do without; the largest one counts. */
  readonly floors?: readonly Figure[];
  /** Said below the table. */
  readonly note?: string;
  /** What stands in the way; said below the table where the budget is missed. */
  readonly obstacle?: string;
}

/** Measures that belong together, for example those for 1,000 nodes. */
export interface Section {
  readonly title: string;
  readonly text?: string;
  readonly measures: readonly Measure[];
  /** ISO date, and the load of the machine before and after; added when the section is kept. */
  readonly circumstances?: { readonly date: string; readonly load: readonly [number, number] };
}

export interface Report {
  /** Name and value, without names of people, hosts or paths. */
  readonly machine: readonly (readonly [string, string])[];
  readonly sections: readonly Section[];
  /** Parts of the page without a result. */
  readonly missing: readonly string[];
}

/** Ours against the largest floor; undefined where there is no floor. */
export function ratioOf(measure: Measure): number | undefined {
  const floors = (measure.floors ?? []).map((floor) => floor.value);
  const largest = Math.max(...floors);
  return floors.length === 0 || largest <= 0 ? undefined : measure.ours.value / largest;
}

/** Whether the budget holds; undefined where there is none or nothing to compare with. */
export function isMet(measure: Measure): boolean | undefined {
  const { budget } = measure;
  if (budget === undefined) return undefined;
  if ("amount" in budget) return measure.ours.value <= budget.amount;
  const ratio = ratioOf(measure);
  return ratio === undefined ? undefined : ratio <= budget.ratio;
}

/** The whole page. */
export function renderReport(report: Report): string {
  return [
    "# Benchmarks",
    "",
    "`npm run bench` measures this and writes this page; `npm run bench -- --only up,unchanged` measures parts of it anew,",
    "`--continue` what is missing. Budgets: a number with a unit is an upper limit; a number with × limits the ratio to the",
    "larger floor, measured in the same run. Several runs give the median, with the smallest and the largest in brackets.",
    "Figures without a budget explain the others. Other work on the machine, told as its load, stretches seconds and leaves",
    "ratios and processor time nearly as they are.",
    "",
    "| machine | |",
    "|-|-|",
    ...report.machine.map(([name, value]) => `| ${name} | ${cell(value)} |`),
    "",
    ...report.sections.flatMap(renderSection),
    ...(report.missing.length === 0 ? [] : [`Not measured yet: ${report.missing.join(", ")}.`, ""]),
  ].join("\n");
}

function renderSection(section: Section): string[] {
  const notes = section.measures.flatMap((measure) => {
    const why = isMet(measure) === false ? [measure.obstacle, floorsMiss(measure)] : [];
    const text = [measure.note, ...why].filter((part) => part !== undefined).join("; ");
    return text === "" ? [] : [`- ${measure.what}: ${text}`];
  });
  return [
    `## ${section.title}`,
    "",
    ...(section.text === undefined ? [] : [section.text, ""]),
    "| what | budget | measured | | hyperlab | floors |",
    "|-|-|-|-|-|-|",
    ...section.measures.map(renderRow),
    "",
    ...notes,
    ...(notes.length > 0 ? [""] : []),
    ...circumstancesOf(section),
  ];
}

/** Says so where nobody could meet an amount on this machine. */
function floorsMiss({ budget, floors = [] }: Measure): string | undefined {
  if (budget === undefined || !("amount" in budget)) return undefined;
  const missed = floors.some((floor) => floor.value > budget.amount);
  return missed ? "here and now a floor alone misses the budget" : undefined;
}

function circumstancesOf({ circumstances }: Section): string[] {
  if (circumstances === undefined) return [];
  const { date, load } = circumstances;
  return [`Measured on ${date}, load ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after.`, ""];
}

function renderRow(measure: Measure): string {
  const met = isMet(measure);
  const floors = (measure.floors ?? []).map((floor) => `${floor.label}: ${figureText(floor)}`);
  const label = measure.ours.label === "" ? "" : `${measure.ours.label}: `;
  const columns = [
    measure.what,
    budgetText(measure),
    measuredText(measure),
    met === undefined ? "" : met ? "met" : "**missed**",
    `${label}${figureText(measure.ours)}`,
    floors.join("; "),
  ];
  return `| ${columns.map(cell).join(" | ")} |`;
}

function budgetText({ budget, ours }: Measure): string {
  if (budget === undefined) return "";
  return "ratio" in budget ? `${budget.ratio} ×` : amountText(budget.amount, ours.unit);
}

function measuredText(measure: Measure): string {
  if (measure.budget !== undefined && "amount" in measure.budget) return figureAmount(measure.ours);
  const ratio = ratioOf(measure);
  return ratio === undefined ? figureAmount(measure.ours) : `${ratio.toFixed(2)} ×`;
}

const figureAmount = (figure: Figure) => amountText(figure.value, figure.unit);

/** A figure with its spread. */
export function figureText(figure: Figure): string {
  const { range, unit } = figure;
  const spread = range === undefined ? "" : ` (${digits(range[0], unit)}–${digits(range[1], unit)})`;
  return `${figureAmount(figure)}${spread}`;
}

const amountText = (value: number, unit: Unit) => `${digits(value, unit)} ${unit}`;

function digits(value: number, unit: Unit): string {
  if (unit === "MB") return value.toFixed(0);
  return unit === "KB" || value < 10 ? value.toFixed(2) : value.toFixed(1);
}

/** Text that cannot break a table. */
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").trim();

/** The median run as a figure. @throws Error where there is none. */
export function figureOf(label: string, unit: Unit, runs: readonly number[]): Figure {
  const sorted = [...runs].sort((left, right) => left - right);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (middle === undefined || first === undefined || last === undefined) {
    throw new Error(`nothing was measured for "${label}"`);
  }
  return { label, unit, value: middle, ...(sorted.length > 1 ? { range: [first, last] as const } : {}) };
}
