/** Keeps secret inputs out of what is shown. */
import {
  isArray,
  isObject,
  OutputValue,
  type PropertyMap,
  type PropertyValue,
  Secret,
} from "../plugin/index.ts";

/** Shorter texts are not masked: they would match by chance and make the output unreadable. */
const shortest = 6;
/** Parts of a connection that are secret by themselves; host, port and user are needed in messages. */
const connectionSecrets = new Set(["password", "privateKey", "privateKeyPassword"]);

/** Replaces secrets in texts for people. */
export type Mask = (text: string) => string;

/** A mask for everything that is marked secret in the inputs, line by line, and for the credentials of connections. */
export function maskOf(inputs: PropertyMap): Mask {
  const found = new Set<string>();
  for (const [key, value] of Object.entries(inputs)) {
    if (key === "connection") collectCredentials(value, found);
    else collect(value, false, found);
  }
  const parts = [...found]
    .flatMap((secret) => [secret, ...secret.split("\n")])
    .map((part) => part.trim())
    .filter((part) => part.length >= shortest)
    .sort((a, b) => b.length - a.length);
  const unique = [...new Set(parts)];
  return (text) => unique.reduce((masked, part) => masked.replaceAll(part, "[secret]"), text);
}

function collect(value: PropertyValue | undefined, secret: boolean, found: Set<string>): void {
  if (value instanceof Secret) collect(value.value, true, found);
  else if (value instanceof OutputValue) collect(value.value, secret || value.secret, found);
  else if (typeof value === "string" && secret) found.add(value);
  else if (isArray(value)) for (const item of value) collect(item, secret, found);
  else if (isObject(value)) for (const item of Object.values(value)) collect(item, secret, found);
}

function collectCredentials(value: PropertyValue | undefined, found: Set<string>): void {
  if (value instanceof Secret || value instanceof OutputValue) collectCredentials(value.value, found);
  else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (connectionSecrets.has(key)) collect(item, true, found);
      else if (key === "proxy") collectCredentials(item, found);
    }
  }
}
