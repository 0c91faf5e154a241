/**
 * Writes the files that are derived from the field tables: the schema and the reference page.
 * Usage: node providers/libvirt/schema/generate.ts
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { schemaText } from "./pulumi-schema.ts";
import { referenceText } from "./reference.ts";

const root = new URL("../../../", import.meta.url);
mkdirSync(fileURLToPath(new URL("docs/reference/", root)), { recursive: true });
writeFileSync(new URL("providers/libvirt/schema.json", root), schemaText());
writeFileSync(new URL("docs/reference/provider.md", root), referenceText());
