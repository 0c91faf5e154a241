import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type * as libvirt from "@pulumi/libvirt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type {
  DomainInputs,
  NetworkInputs,
  PoolInputs,
  ProviderConfig,
  VolumeInputs,
} from "../../../providers/libvirt/resources/inputs.ts";
import { packageVersion } from "../../../providers/libvirt/schema/pulumi-schema.ts";
import { generateSdk } from "../../../tools/generate-sdk.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const checkedIn = join(root, "sdks/libvirt");
let fresh = "";

beforeAll(() => {
  fresh = mkdtempSync(join(tmpdir(), "sdk-test-"));
  generateSdk(fresh);
});
afterAll(() => rmSync(fresh, { recursive: true, force: true }));

/** The SDK takes what the provider's interfaces describe: checked by the compiler. */
const sdkTakes: {
  domain: (inputs: DomainInputs) => libvirt.DomainArgs;
  network: (inputs: NetworkInputs) => libvirt.NetworkArgs;
  pool: (inputs: PoolInputs) => libvirt.PoolArgs;
  volume: (inputs: VolumeInputs) => libvirt.VolumeArgs;
  provider: (inputs: ProviderConfig) => libvirt.ProviderArgs;
} = {
  domain: (inputs) => inputs,
  network: (inputs) => inputs,
  pool: (inputs) => inputs,
  volume: (inputs) => inputs,
  provider: (inputs) => inputs,
};

function filesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((name) => !name.startsWith("bin/") && !name.startsWith("node_modules/"));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

describe("the checked-in SDK", () => {
  it("equals a fresh generation", () => {
    expect(Object.keys(filesOf(checkedIn))).toContain("domain.ts");
    expect(filesOf(checkedIn)).toEqual(filesOf(fresh));
  });

  it("names the plugin's version and no place to download it from", () => {
    const metadata: unknown = JSON.parse(readFileSync(join(checkedIn, "package.json"), "utf8"));
    expect(metadata).toMatchObject({
      name: "@pulumi/libvirt",
      version: packageVersion,
      pulumi: { resource: true, name: "libvirt", version: packageVersion },
    });
    expect(JSON.stringify(metadata)).not.toContain("server");
  });

  it("takes the provider's inputs as they are", () => {
    const pool: PoolInputs = { name: "lab", path: "/srv/lab" };
    expect(sdkTakes.pool(pool)).toBe(pool);
  });
});
