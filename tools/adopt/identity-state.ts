import { randomUUID } from "node:crypto";
import { z } from "zod";
import type { Recovery } from "../../components/stack-identity/index.ts";

/** Marks a value as a secret in a deployment; the engine encrypts it when it takes the deployment. */
const SECRET = { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270" };

const STASH = "pulumi:index:Stash";
const STACK = "pulumi:pulumi:Stack";
const IDENTITY = "hyperlab:index:StackIdentity";
const PROVIDER = "pulumi:providers:pulumi";

/** Types of which nothing is on a host: what only exists in the state, and images built on this machine. */
const NOTHING_MADE = /^(pulumi:(pulumi|index|providers):|hyperlab:index:|command:local:)/;

/** Resources of a state that stand for something on a host, which it must not forget. */
export const madeBy = <T extends { readonly type: string }>(resources: readonly T[]): T[] =>
  resources.filter(({ type }) => !NOTHING_MADE.test(type));

/**
 * The state of a stack that knows who it is and what was decided for it, and has made nothing yet, as
 * `pulumi stack import` takes it. It holds the stack's secret in clear: for the engine's standard input only.
 *
 * @param lab Name of the lab in the cluster file.
 * @param empty The stack as the engine exports it.
 */
export function identityState(
  { lab, project, stack }: { readonly lab: string; readonly project: string; readonly stack: string },
  { decisions, owner, secret }: Recovery,
  empty: EmptyState,
): string {
  const urn = (type: string, name: string): string => `urn:pulumi:${stack}::${project}::${type}::${name}`;
  const root = urn(STACK, `${project}-${stack}`);
  const identity = urn(IDENTITY, lab);
  const provider = { urn: urn(PROVIDER, "default"), id: randomUUID() };
  const stash = (type: string, name: string, parent: string, value: unknown): object => ({
    urn: urn(type, name),
    custom: true,
    id: randomUUID(),
    type: STASH,
    inputs: { input: value },
    outputs: { input: value, output: value },
    parent,
    provider: `${provider.urn}::${provider.id}`,
    propertyDependencies: { input: [] },
    ignoreChanges: ["input"],
  });
  const resources = [
    { urn: root, custom: false, type: STACK },
    { ...provider, custom: true, type: PROVIDER },
    { urn: identity, custom: false, type: IDENTITY, outputs: { owner }, parent: root },
    stash(`${IDENTITY}$${STASH}`, `${lab}-owner`, identity, owner),
    stash(`${IDENTITY}$${STASH}`, `${lab}-secret`, identity, {
      ...SECRET,
      plaintext: JSON.stringify(secret),
    }),
    ...Object.entries(decisions).map(([name, kept]) => stash(STASH, name, root, kept)),
  ];
  const { manifest, secrets_providers } = empty.deployment;
  return JSON.stringify({ version: empty.version, deployment: { manifest, secrets_providers, resources } });
}

const emptyState = z.object({
  version: z.number(),
  deployment: z.object({
    manifest: z.unknown(),
    /** What the engine encrypts the state's secrets with. */
    secrets_providers: z.object({ type: z.string().min(1), state: z.unknown() }),
  }),
});
type EmptyState = z.infer<typeof emptyState>;

/**
 * A stack's state as `pulumi stack export` prints it, without its resources.
 * @throws Error where it does not say what its secrets are encrypted with.
 */
export function parseEmptyState(exported: string): EmptyState {
  const parsed = emptyState.safeParse(JSON.parse(exported));
  if (parsed.success) return parsed.data;
  throw new Error(
    "the engine does not say what the secrets of the stack are encrypted with; nothing was changed",
  );
}
