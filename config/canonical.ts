import { nearest } from "./nearest.ts";
import type { Path } from "./problems.ts";
import { networkSchema } from "./schema/network.ts";

type Raw = Record<string, unknown>;

/** A file in its canonical form, and what was said on the way. */
export interface CanonicalForm {
  data: unknown;
  /** Path in the canonical form to the path in the file. */
  original: (path: Path) => Path;
  notes: { path: Path; text: string }[];
  /** Keys that are left out of the data because nobody knows them. */
  unapplied: { path: Path; text: string }[];
  problems: { path: Path; reason: string }[];
}

const isRaw = (value: unknown): value is Raw =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** Replaces older spellings by the canonical ones, with one note for each; the schema knows only the canonical form. */
export function canonicalise(data: unknown): CanonicalForm {
  const state = new Rewriting();
  return {
    data: state.root(data),
    original: (path) => state.original(path),
    notes: state.notes,
    unapplied: state.unapplied,
    problems: state.problems,
  };
}

const HPC: Path = ["clusters", "hpc"];

class Rewriting {
  readonly notes: { path: Path; text: string }[] = [];
  readonly unapplied: { path: Path; text: string }[] = [];
  readonly problems: { path: Path; reason: string }[] = [];
  /** Canonical path as JSON to the key that the file has. */
  readonly #renamed = new Map<string, string>();
  #listForm = false;

  original(path: Path): Path {
    const parts = path.map(
      (part, index) => this.#renamed.get(JSON.stringify(path.slice(0, index + 1))) ?? part,
    );
    if (this.#listForm && parts[0] === "clusters" && parts[1] === "hpc") parts.splice(2, 0, 0);
    return parts;
  }

  root(data: unknown): unknown {
    if (!isRaw(data) || !isRaw(data.clusters) || data.clusters.hpc === undefined) return data;
    const hpc = this.cluster(this.listForm(data.clusters.hpc));
    return { ...data, clusters: { ...data.clusters, hpc } };
  }

  listForm(hpc: unknown): unknown {
    if (!Array.isArray(hpc)) return hpc;
    if (hpc.length > 1) {
      const reason = `has ${hpc.length} entries; more than one SLURM cluster in a file is not available yet in this version`;
      this.problems.push({ path: HPC, reason });
      return undefined;
    }
    if (hpc.length === 0) {
      this.problems.push({ path: HPC, reason: "is an empty list; expected one cluster as a map" });
      return undefined;
    }
    this.#listForm = true;
    this.notes.push({
      path: HPC,
      text: "a list with one cluster; the canonical form is the cluster itself as a map",
    });
    return hpc[0];
  }

  cluster(hpc: unknown): unknown {
    if (!isRaw(hpc)) return hpc;
    const result: Raw = { ...hpc };
    if (isRaw(hpc.network)) result.network = this.network(hpc.network);
    if (isRaw(hpc.controller)) {
      result.controller = this.rename(hpc.controller, [...HPC, "controller"], "ip", "ip_address");
    }
    if (Array.isArray(hpc.compute_nodes)) {
      result.compute_nodes = hpc.compute_nodes.map((node, index) =>
        isRaw(node) ? this.rename(node, [...HPC, "compute_nodes", index], "ip_address", "ip") : node,
      );
    }
    return result;
  }

  network(network: Raw): Raw {
    const path = [...HPC, "network"];
    const renamed = this.rename(
      this.rename(network, path, "network_range", "subnet"),
      path,
      "bridge_name",
      "bridge",
    );
    const known = Object.keys(networkSchema.shape);
    const entries = Object.entries(renamed).filter(([name]) => {
      if (known.includes(name)) return true;
      const guess = nearest(name, known);
      const hint = guess === undefined ? "" : `; did you mean ${guess}?`;
      this.unapplied.push({
        path: [...path, name],
        text: `is not a key of network and is not applied${hint}`,
      });
      return false;
    });
    return Object.fromEntries(entries);
  }

  rename(map: Raw, path: Path, alias: string, canonical: string): Raw {
    if (map[alias] === undefined) return map;
    const { [alias]: value, ...rest } = map;
    this.notes.push({ path: [...path, alias], text: `is an older name; the canonical key is ${canonical}` });
    if (rest[canonical] === undefined) {
      this.#renamed.set(JSON.stringify([...path, canonical]), alias);
      return { ...rest, [canonical]: value };
    }
    if (rest[canonical] !== value) {
      const reason = `contradicts ${canonical}, which says ${JSON.stringify(rest[canonical])}; keep one of the two`;
      this.problems.push({ path: [...path, alias], reason });
    }
    return rest;
  }
}
