/** Pure reading of a plugin's command line. */

export type Invocation =
  | { readonly kind: "serve"; readonly engineAddress: string }
  | { readonly kind: "attach" }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "byHand" };

/** Flags of the engine whose value is an argument of its own. */
const flagsWithValue = new Set(["--tracing", "-tracing"]);

/**
 * Reads the arguments after the program's name. The engine puts flags for its own libraries before the address; they
 * are accepted and mean nothing here.
 */
export function parseArguments(args: readonly string[]): Invocation {
  const positional: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? "";
    if (argument === "--help" || argument === "-h") return { kind: "help" };
    if (argument === "--version") return { kind: "version" };
    if (argument === "--attach") return { kind: "attach" };
    if (flagsWithValue.has(argument)) index++;
    else if (!argument.startsWith("-")) positional.push(argument);
  }
  const [engineAddress] = positional;
  return engineAddress === undefined ? { kind: "byHand" } : { kind: "serve", engineAddress };
}

/** Text of `--help`, and of a start by hand. */
export function usage(name: string, version: string): string {
  return `pulumi-resource-${name} ${version} is a plugin of Pulumi. The engine starts it; there is nothing to do by hand.

  pulumi-resource-${name} ADDRESS    serve the engine at ADDRESS; the first line of output is our port
  pulumi-resource-${name} --attach   serve without an engine, for PULUMI_DEBUG_PROVIDERS=${name}:PORT
  pulumi-resource-${name} --version

To use it, name its folder in Pulumi.yaml:

  plugins:
    providers:
      - name: ${name}
        path: ./providers/${name}
`;
}
