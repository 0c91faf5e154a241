import * as pulumi from "@pulumi/pulumi";
import { expect, it } from "vitest";
import { HpcCluster, type ImageBuild } from "../../components/hpc-cluster/index.ts";
import { StackIdentity } from "../../components/stack-identity/index.ts";
import { planOf, RecordingMocks, type Registered, resolved } from "./support.ts";

/** Answers as the providers would; a resource that is held is answered only when it is let go. */
class HeldMocks implements pulumi.runtime.Mocks {
  readonly #inner: RecordingMocks;
  readonly #held: string;
  #letGo: () => void = () => undefined;
  readonly #gate = new Promise<void>((resolve) => {
    this.#letGo = resolve;
  });
  #arrive: () => void = () => undefined;
  /** The held resource was asked for. */
  readonly arrived = new Promise<void>((resolve) => {
    this.#arrive = resolve;
  });

  /** What was asked for and answered, in order. */
  readonly trace: string[] = [];

  constructor(held: string, preview = false) {
    this.#inner = new RecordingMocks(preview);
    this.#held = held;
  }

  get registered(): readonly Registered[] {
    return this.#inner.registered;
  }

  names(type: string): string[] {
    return this.#inner.ofType(type).map(({ name }) => name);
  }

  letGo(): void {
    this.#letGo();
  }

  async newResource(args: pulumi.runtime.MockResourceArgs) {
    const answer = this.#inner.newResource(args);
    this.trace.push(`asked ${args.name}`);
    if (args.name === this.#held) {
      this.#arrive();
      await this.#gate;
    }
    this.trace.push(`answered ${args.name}`);
    return answer;
  }

  call(args: pulumi.runtime.MockCallArgs): never {
    return this.#inner.call(args);
  }
}

async function declare(mocks: HeldMocks, preview: boolean, accept?: ImageBuild["accept"]): Promise<void> {
  await pulumi.runtime.setMocks(mocks, "hyperlab", "test", preview);
  const identity = new StackIdentity("lab");
  const build = { arguments: ["build"], stdin: "{}", identity: "0123456789abcdef" };
  const cluster = new HpcCluster("dev", {
    plan: planOf(2, "dev.yaml"),
    owner: identity.owner,
    secret: identity.secret,
    imageBuilds: { base: accept === undefined ? build : { ...build, accept } },
  });
  await resolved(cluster.urn);
}

const nodes = ["dev-compute-01", "dev-compute-02"];
const domain = "libvirt:index:Domain";

it.each(["dev-controller", "dev-secrets", "dev-slurm-before"])(
  "no node begins its change before %s is done",
  async (held) => {
    const mocks = new HeldMocks(held);
    await declare(mocks, false);
    await mocks.arrived;
    // Everything else that a node needs is there, and others that came later were made.
    for (const other of ["dev-base", "dev-seed-compute", "dev-network"]) {
      expect(mocks.trace).toContain(`answered ${other}`);
    }
    for (const later of ["one", "two", "three"]) {
      await resolved(new pulumi.Stash(later, { input: later }).urn);
    }
    expect(mocks.names(domain)).toEqual(["dev-controller"]);
    mocks.letGo();
    await pulumi.runtime.disconnect();
    for (const node of nodes) {
      expect(mocks.trace.indexOf(`asked ${node}`)).toBeGreaterThan(mocks.trace.indexOf(`answered ${held}`));
    }
  },
);

it("what was built is looked at in an update, after the build and before the upload", async () => {
  const order: string[] = [];
  const mocks = new HeldMocks("dev-base-build");
  await declare(mocks, false, async () => {
    order.push(`accepted, uploaded: ${mocks.names("libvirt:index:Volume").includes("dev-base")}`);
  });
  await mocks.arrived;
  expect(order).toEqual([]);
  mocks.letGo();
  await pulumi.runtime.disconnect();
  expect(order).toEqual(["accepted, uploaded: false"]);
  const image = mocks.registered.find(({ name }) => name === "dev-base");
  expect(image?.inputs.source).toEqual(planOf(2, "dev.yaml").images[0]?.source);
});

it("a preview looks at nothing and knows the image all the same", async () => {
  const mocks = new HeldMocks("nothing", true);
  await declare(mocks, true, () => Promise.reject(new Error("was asked")));
  await pulumi.runtime.disconnect();
  const image = mocks.registered.find(({ name }) => name === "dev-base");
  expect(image?.inputs.source).toEqual(planOf(2, "dev.yaml").images[0]?.source);
});

it("an image that is not accepted is not uploaded, and no machine is touched", async () => {
  const mocks = new HeldMocks("nothing");
  let accept = (): void => undefined;
  const accepted = new Promise<void>((resolve) => {
    accept = resolve;
  });
  const asked = new Promise<void>((resolve) => {
    void declare(mocks, false, () => {
      resolve();
      return accepted;
    });
  });
  await asked;
  expect(mocks.names("libvirt:index:Volume")).not.toContain("dev-base");
  expect(mocks.names(domain)).toEqual([]);
  accept();
  await pulumi.runtime.disconnect();
  expect(mocks.names(domain)).toHaveLength(3);
});
