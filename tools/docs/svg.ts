/** The few SVG elements of the picture; texts are escaped. */

type Attributes = Readonly<Record<string, string | number>>;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

function element(name: string, attributes: Attributes, content = ""): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(String(value))}"`);
  return content === "" ? `<${name}${list.join("")}/>` : `<${name}${list.join("")}>${content}</${name}>`;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const rect = (style: string, box: Box, radius = 8): string =>
  element("rect", { class: style, ...box, rx: radius });

export const text = (
  style: string,
  x: number,
  y: number,
  content: string,
  anchor: "start" | "middle" | "end" = "start",
): string => element("text", { class: style, x, y, "text-anchor": anchor }, escaped(content));

export const line = (style: string, x1: number, y1: number, x2: number, y2: number): string =>
  element("line", { class: style, x1, y1, x2, y2 });

/** A disk as everybody draws it. */
export function cylinder(style: string, { height, width, x, y }: Box): string {
  const rx = width / 2;
  const ry = 9;
  const top = y + ry;
  const bottom = y + height - ry;
  const body = `M${x} ${top}V${bottom}A${rx} ${ry} 0 0 0 ${x + width} ${bottom}V${top}`;
  return (
    element("path", { class: style, d: body }) +
    element("ellipse", { class: style, cx: x + rx, cy: top, rx, ry })
  );
}

/** A whole picture. `label` is read aloud instead of it. */
export function picture(
  width: number,
  height: number,
  label: string,
  css: string,
  parts: readonly string[],
): string {
  const attributes = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
  };
  const head = [element("title", {}, escaped(label)), element("style", {}, css)];
  return `${element("svg", { ...attributes, role: "img" }, `\n${[...head, ...parts].join("\n")}\n`)}\n`;
}
