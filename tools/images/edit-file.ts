/** Changes of the image in the text of a cluster file, which leave every other character as it is. Pure. */
import { isMap, isScalar, parseDocument, type YAMLMap } from "yaml";

/** What `image` of the cluster is to say. */
export interface ImageChoice {
  readonly revision?: number;
  /** Such as 20261101T000000Z. */
  readonly snapshot?: string;
}

const imagePath = ["clusters", "hpc", "image"];

/**
 * The text of a cluster file with another choice of image.
 * @throws Error where the file has a form in which that cannot be done without touching other parts
 */
export function editImage(text: string, choice: ImageChoice): string {
  let edited = text;
  for (const key of ["snapshot", "revision"] as const) {
    const value = choice[key];
    if (value !== undefined) edited = setKey(edited, key, String(value));
  }
  return edited;
}

function setKey(text: string, key: string, value: string): string {
  const document = parseDocument(text);
  const present = document.getIn([...imagePath, key], true);
  if (isScalar(present) && present.range) {
    const [start, end] = present.range;
    return text.slice(0, start) + value + text.slice(end);
  }
  const image = document.getIn(imagePath, true);
  if (isMap(image)) return insert(text, image, `${key}: ${value}`);
  const cluster = document.getIn(imagePath.slice(0, -1), true);
  if (image !== undefined || !isMap(cluster)) throw byHand(key, value);
  return insert(text, cluster, `image: { ${key}: ${value} }`);
}

/** Before the first key of a mapping, in the mapping's own style. */
function insert(text: string, map: YAMLMap, entry: string): string {
  const start = map.range?.[0];
  if (start === undefined) throw byHand(entry, "");
  if (map.flow === true) {
    const rest = text.slice(start + 1);
    return `${text.slice(0, start + 1)} ${entry}${map.items.length > 0 ? "," : " "}${rest}`;
  }
  const indent = start - (text.lastIndexOf("\n", start - 1) + 1);
  return `${text.slice(0, start)}${entry}\n${" ".repeat(indent)}${text.slice(start)}`;
}

function byHand(key: string, value: string): Error {
  const entry = value === "" ? key : `${key}: ${value}`;
  return new Error(
    `The cluster file has its image in a form that is not edited here (an alias, or nothing behind "image:"). Write "${entry}" below clusters.hpc.image yourself, then run hyperlab up.`,
  );
}

/** Lines that differ, as `- old` and `+ new`, in order. */
export function changedLines(before: string, after: string): string[] {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < Math.min(old.length, now.length) && old[head] === now[head]) head += 1;
  let tail = 0;
  while (tail < Math.min(old.length, now.length) - head && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  return [
    ...old.slice(head, old.length - tail).map((line) => `- ${line}`),
    ...now.slice(head, now.length - tail).map((line) => `+ ${line}`),
  ];
}
