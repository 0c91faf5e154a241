/** What the host says of one machine that a stack made. */
export interface StackMark {
  readonly machine: string;
  /** Owner id of its stack. */
  readonly owner: string;
  /** URN of its resource, which names stack and project. */
  readonly urn: string;
  /** The sealed recovery record that is kept with it. */
  readonly record?: string;
}

/** A stack and its cluster, as they are to be adopted. */
export interface Wanted {
  readonly stack: string;
  readonly project: string;
  /** Name of the controller, which keeps the record. */
  readonly controller: string;
}

/** The record of a stack, or why there is none to be used. */
export type Selected =
  | {
      readonly kind: "found";
      readonly owner: string;
      readonly record: string;
      readonly machines: readonly string[];
    }
  | { readonly kind: "none"; readonly problem: string; readonly fix: string };

/** Finds the record of a stack among the marks of its host. Names of machines are unique there, so there is one at most. */
export function selectRecord(marks: readonly StackMark[], wanted: Wanted, uri: string): Selected {
  const { controller, project, stack } = wanted;
  const own = marks.filter(({ urn }) => urn.startsWith(`urn:pulumi:${stack}::${project}::`));
  const keeper = own.find(({ machine }) => machine === controller);
  if (keeper?.record !== undefined) {
    const { owner, record } = keeper;
    const machines = own.filter((mark) => mark.owner === owner).map(({ machine }) => machine);
    return { kind: "found", owner, record, machines };
  }
  if (keeper !== undefined) {
    return {
      kind: "none",
      problem: `${controller} is of stack ${stack}, but keeps no recovery record: its last update was by an earlier hyperlab, or without a passphrase`,
      fix: "the state comes back from a backup only: hyperlab restore FILE --state",
    };
  }
  const others = marks.filter(({ record }) => record !== undefined).map(described);
  const found = others.length === 0 ? "no machine with a recovery record" : `records of ${others.join("; ")}`;
  return {
    kind: "none",
    problem: `${uri} has no machine ${controller} of stack ${stack} in project ${project}; it has ${found}`,
    fix: "name the stack with --stack, and the cluster and its host in the cluster file as they were",
  };
}

function described({ machine, urn }: StackMark): string {
  const [, stack = "?", project = "?"] = /^urn:pulumi:(.*?)::(.*?)::/.exec(urn) ?? [];
  return `${machine} (stack ${stack}, project ${project})`;
}
