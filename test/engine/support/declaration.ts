import type {
  DomainInputs,
  NetworkInputs,
  PoolInputs,
  VolumeInputs,
} from "../../../providers/libvirt/resources/inputs.ts";

/** What a stack of the tests declares on one host, by logical name. `program.ts` reads it from `declaration.json`. */
export interface Declaration {
  readonly uri: string;
  readonly owner: string;
  readonly pools?: Readonly<Record<string, PoolInputs>>;
  readonly networks?: Readonly<Record<string, NetworkInputs>>;
  readonly volumes?: Readonly<Record<string, VolumeInputs>>;
  readonly domains?: Readonly<Record<string, DomainInputs>>;
  /** Ids of objects on the host that are imported, by logical name. */
  readonly imports?: Readonly<Record<string, string>>;
}

/** What `secrets-program.ts` declares. */
export interface SecretsDeclaration {
  readonly uri: string;
  readonly owner: string;
  readonly pool: PoolInputs;
  readonly machines: Readonly<Record<string, DomainInputs>>;
  /** File with `{"identity": "…", "userData": "…"}`. */
  readonly secretsFile: string;
}
