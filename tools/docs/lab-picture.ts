import type { HpcClusterPlan, NodePlan } from "../../planning/index.ts";
import type { MachineEffect, MachineRow } from "../report/preview-table.ts";
import { type Box, cylinder, line, picture, rect, text } from "./svg.ts";

export type Theme = "light" | "dark";

/** A change, and what the preview says of it. */
export interface ShownChange {
  /** As it stands in the cluster file. */
  readonly change: string;
  readonly machines: readonly MachineRow[];
}

const WIDTH = 880;
const MARGIN = 20;
const INNER = { x: 40, width: WIDTH - 80 };
const GAP = 20;
/** Top and height of the machines. */
const MACHINES = { y: 138, height: 122 };
const CONTROLLER_WIDTH = 290;
/** More compute nodes than these are counted, not drawn. */
const DRAWN = 3;

const colours = {
  light: {
    ink: "#1f2328",
    muted: "#59636e",
    border: "#d1d9e0",
    host: "#f6f8fa",
    card: "#ffffff",
    blue: "#0969da",
    blueFill: "#ddf4ff",
    green: "#1a7f37",
    amber: "#9a6700",
    red: "#cf222e",
  },
  dark: {
    ink: "#e6edf3",
    muted: "#9198a1",
    border: "#3d444d",
    host: "#151b23",
    card: "#0d1117",
    blue: "#4493f8",
    blueFill: "#121d2f",
    green: "#3fb950",
    amber: "#d29922",
    red: "#f85149",
  },
} as const;

function css(theme: Theme): string {
  const c = colours[theme];
  const sans = '-apple-system,BlinkMacSystemFont,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif';
  const mono = 'ui-monospace,SFMono-Regular,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace';
  return [
    `text{font:14px ${sans};fill:${c.ink}}`,
    ".title{font-weight:600;font-size:16px}",
    `.muted{fill:${c.muted};font-size:13px}`,
    `.code{font-family:${mono};font-size:13px}`,
    `.quiet{font-family:${mono};font-size:13px;fill:${c.muted}}`,
    ".name{font-weight:600;font-size:15px}",
    `.net{font-weight:600;fill:${c.blue}}`,
    `.host{fill:${c.host};stroke:${c.border}}`,
    `.card{fill:${c.card};stroke:${c.border}}`,
    `.bar{fill:${c.blueFill};stroke:${c.blue}}`,
    `.wire{stroke:${c.blue};stroke-width:2}`,
    `.disk{fill:${c.card};stroke:${c.muted}}`,
    `.tie{stroke:${c.muted}}`,
    `.group{fill:none;stroke:${c.muted};stroke-dasharray:4 4}`,
    ...(["green", "amber", "red"] as const).map(
      (tone) => `.${tone}{font-family:${mono};font-size:13px;font-weight:600;fill:${c[tone]}}`,
    ),
  ].join("");
}

/** What stands after `npm run up` of a plan, and below it what the preview says of a change of it. */
export function labPicture(plan: HpcClusterPlan, shown: ShownChange, theme: Theme): string {
  const host: Box = { x: MARGIN, y: MARGIN, width: WIDTH - 2 * MARGIN, height: 350 };
  const preview: Box = {
    x: MARGIN,
    y: host.y + host.height + GAP,
    width: host.width,
    height: 76 + 24 * shown.machines.length,
  };
  const parts = [
    rect("host", host, 12),
    text("title", INNER.x, 48, "libvirt host"),
    text("muted", INNER.x + INNER.width, 48, "one Linux machine with libvirt and QEMU", "end"),
    ...network(plan),
    ...controller(plan, { x: INNER.x, width: CONTROLLER_WIDTH, ...MACHINES }),
    ...computeNodes(plan),
    ...previewPanel(preview, shown),
  ];
  const label = `What stands after npm run up: ${[plan.controller, ...plan.computeNodes].map((node) => node.name).join(", ")}`;
  return picture(WIDTH, preview.y + preview.height + MARGIN, label, css(theme), parts);
}

const modes = { nat: "NAT", route: "routed", isolated: "isolated" } as const;

function network(plan: HpcClusterPlan): string[] {
  const box: Box = { ...INNER, y: 66, height: 34 };
  const of = plan.network;
  const details =
    of.kind === "owned"
      ? `${modes[of.inputs.mode]}, DHCP and names on bridge ${of.inputs.bridge}`
      : "of the site";
  return [
    rect("bar", box, 17),
    text("net", WIDTH / 2 - 30, 88, `network ${of.subnet}`, "end"),
    text("muted", WIDTH / 2 - 14, 88, details),
  ];
}

const gigabytes = (mebibytes: number): string => `${Math.round(mebibytes / 1024)} GB`;
const size = ({ domain }: NodePlan): string => `${domain.vcpus} CPUs, ${gigabytes(domain.memoryMiB)} memory`;

/** A machine on the network, with two lines of text below what it is. */
function machine(
  node: NodePlan,
  box: Box,
  lines: readonly (readonly [style: string, text: string])[],
): string[] {
  const centre = box.x + box.width / 2;
  return [
    line("wire", centre, 100, centre, box.y),
    rect("card", box),
    text("name", box.x + 14, box.y + 25, node.name),
    text("quiet", box.x + 14, box.y + 46, node.address),
    text("muted", box.x + 14, box.y + 66, size(node)),
    ...lines.map(([style, content], index) => text(style, box.x + 14, box.y + 86 + 20 * index, content)),
  ];
}

function controller(plan: HpcClusterPlan, box: Box): string[] {
  const disk: Box = { x: box.x + 14, y: box.y + box.height + 18, width: box.width - 28, height: 76 };
  const centre = box.x + box.width / 2;
  const homes =
    plan.home.kind === "controller" ? "homes, accounting, SLURM's state" : "accounting, SLURM's state";
  return [
    ...machine(plan.controller, box, [
      ["code", "slurmctld slurmdbd"],
      ["muted", "log in here: npm run ssh"],
    ]),
    line("tie", centre, box.y + box.height, centre, disk.y),
    cylinder("disk", disk),
    text("", centre, disk.y + 40, `state disk, ${gigabytes(plan.stateVolume.inputs.sizeMiB)}`, "middle"),
    text("muted", centre, disk.y + 60, homes, "middle"),
  ];
}

function computeNodes(plan: HpcClusterPlan): string[] {
  const drawn = plan.computeNodes.slice(0, DRAWN);
  const left = INNER.x + CONTROLLER_WIDTH + 2 * GAP;
  const all = INNER.x + INNER.width - left - 12;
  const width = (all - GAP * (drawn.length - 1)) / Math.max(1, drawn.length);
  const { y, height } = MACHINES;
  const group: Box = { x: left - 12, y: y - 12, width: all + 24, height: 228 };
  const below = y + height;
  const partition = plan.slurm.partitions.map(({ name }) => name).join(", ");
  const cpus = plan.slurm.nodes.reduce((sum, node) => sum + node.cpus, 0);
  return [
    rect("group", group, 12),
    ...drawn.flatMap((node, index) =>
      machine(node, { x: left + index * (width + GAP), width, ...MACHINES }, [
        ["code", "slurmd"],
        ["muted", "homes by NFS"],
      ]),
    ),
    text(
      "",
      left,
      below + 32,
      `SLURM partition ${partition}: ${plan.computeNodes.length} nodes, ${cpus} CPUs`,
    ),
    text("muted", left, below + 54, "jobs run as their users, within their cores and memory"),
    text("quiet", left, below + 78, '$ sbatch -N2 --wrap "srun hostname"'),
  ];
}

/** Colour of an effect: what goes on, what interrupts, what destroys or is refused. */
function tone(effect: MachineEffect): string {
  if (effect === "none") return "quiet";
  if (["live", "create", "start", "resume", "wait"].includes(effect)) return "green";
  return ["replace", "remove", "forbidden"].includes(effect) ? "red" : "amber";
}

function previewPanel(box: Box, shown: ShownChange): string[] {
  const columns = [box.x + 20, box.x + 180, box.x + 270] as const;
  const first = box.y + 56;
  return [
    rect("card", box, 12),
    text("title", columns[0], box.y + 28, "Before every change: one line per machine"),
    text("quiet", box.x + box.width - 20, box.y + 28, shown.change, "end"),
    ...["machine", "effect", "why"].map((heading, index) =>
      text("quiet", columns[index] ?? 0, first, heading),
    ),
    ...shown.machines.flatMap(({ effect, name, note, why }, index) => {
      const y = first + 24 * (index + 1);
      return [
        text("code", columns[0], y, name),
        text(tone(effect), columns[1], y, effect),
        text("code", columns[2], y, [why, note].filter((part) => part !== "").join("; ")),
      ];
    }),
  ];
}
