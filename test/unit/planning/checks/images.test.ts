import { describe, expect, it } from "vitest";
import { planLab, printFindings } from "../../../../planning/index.ts";
import { labText, loaded } from "../../config/lab-text.ts";
import { briefly, config, findingsOf, goodFacts, planned } from "../lab.ts";
import { known, list } from "./parts.ts";

describe("images", () => {
  const facts = (change: object) => {
    const lab = config({ hpc: "base_image_path: /srv/a.qcow2" });
    const good = goodFacts(lab);
    const base = good.images.base;
    if (base === undefined) throw new Error("no image");
    return { lab, facts: { ...good, images: { ...good.images, base: { ...base, ...change } } } };
  };
  const check = (change: object) => {
    const { lab, facts: changed } = facts(change);
    return briefly(findingsOf(lab, changed));
  };

  it("that are missing, of another format or too large are errors; what is not known is unknown", () => {
    expect(check({})).toEqual([]);
    expect(check({ format: known("missing") })).toEqual(["error image-missing clusters.hpc.image"]);
    expect(check({ format: known("raw") })).toEqual(["error image-not-qcow2 clusters.hpc.image"]);
    expect(check({ virtualSizeMiB: known(10 * 1024 + 1) })).toEqual([
      "error disk-below-image clusters.hpc.image",
    ]);
    expect(check({ format: { known: false, why: "x" }, virtualSizeMiB: { known: false, why: "x" } })).toEqual(
      ["unknown image-format-unknown clusters.hpc.image", "unknown image-size-unknown clusters.hpc.image"],
    );
    const lab = config();
    expect(briefly(findingsOf(lab, { ...goodFacts(lab), images: {} }))).toEqual([
      "error image-unresolved clusters.hpc.image",
    ]);
  });

  it("of a node's own get a volume of their own; equal paths share one", () => {
    const node = (path: string) =>
      `  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP, base_image_path: ${path} }`;
    const nodes = `compute_nodes:\n${["/a.qcow2", "/b.qcow2", "/a.qcow2"].map(node).join("\n")}`;
    const plan = planned(config({ nodes }));
    expect(plan.images).toHaveLength(3);
    const [first, second, third] = plan.computeNodes;
    expect(first?.image).toBe(third?.image);
    expect(first?.image).not.toBe(second?.image);
    expect(first?.domain.quiesce.hook).toBe("ifPresent");
    expect(first?.seed).toBe("lab-seed-compute-cloud-image");
    expect(plan.controller.domain.quiesce.hook).toBe("required");
  });

  it("that lack the guest software get it from one disk that they share; no other machine has it", () => {
    const nodes = `compute_nodes:
  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP, base_image_path: /a.qcow2 }
  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP }`;
    const mixed = planned(config({ nodes }));
    expect(mixed.guestSoftware).toEqual({
      volume: expect.stringMatching(/^lab-guest-[0-9a-f]{12}\.iso$/),
      source: { path: "/cache/guest.qcow2", id: "guest-1" },
    });
    const disk = {
      pool: "lab-pool",
      volume: mixed.guestSoftware?.volume,
      target: "vdy",
      serial: "hyperlab-guest",
      readOnly: true,
    };
    expect(mixed.computeNodes.map((node) => node.domain.disks)).toEqual([[disk], []]);
    expect(mixed.computeNodes.map((node) => node.domain.ready.timeoutSeconds)).toEqual([1800, 900]);
    expect(mixed.controller.domain.disks.map(({ serial }) => serial)).toEqual(["hyperlab-state"]);
    expect(planned(config())).not.toHaveProperty("guestSoftware");
    const lab = config({ nodes });
    const { guest: _, ...images } = goodFacts(lab).images;
    expect(briefly(findingsOf(lab, { ...goodFacts(lab), images }))).toEqual([
      "error guest-software-unresolved clusters.hpc.image",
    ]);
  });

  it("without the guest software need a mirror, which an isolated network may not reach", () => {
    const network = "mode: isolated";
    const lab = config({ hpc: "image: { path: /srv/x.qcow2 }", network });
    expect(briefly(findingsOf(lab))).toEqual(["warning cloud-image-isolated clusters.hpc.network.mode"]);
    expect(findingsOf(config({ network }))).toEqual([]);
  });

  it("without the guest software make a new instance when it, packages, files or the revision change", () => {
    const ids = (image: string, own: string, guest = "guest-1") => {
      const nodes = `compute_nodes:
  - { cpu_cores: 1, memory_gb: 1, disk_gb: 10, ip: DHCP, base_image_path: ${own} }`;
      const lab = config({ nodes, hpc: `image: ${image}` });
      const good = goodFacts(lab);
      const fact = good.images.guest;
      if (fact === undefined) throw new Error("no guest software");
      const facts = { ...good, images: { ...good.images, guest: { ...fact, identity: { id: guest } } } };
      const plan = planned(lab, facts);
      return [plan.controller.instanceId, plan.computeNodes[0]?.instanceId];
    };
    const [golden, cloud] = ids("{}", "/a.qcow2");
    expect(ids("{}", "/a.qcow2")).toEqual([golden, cloud]);
    // The golden image has them inside: its own identity says it.
    for (const image of [
      "{ packages: [zsh] }",
      "{ revision: 2 }",
      "{ files: [{ path: /etc/motd, content: hi }] }",
    ]) {
      const [controller, node] = ids(image, "/a.qcow2");
      expect(controller).toBe(golden);
      expect(node, image).not.toBe(cloud);
    }
    expect(ids("{}", "/a.qcow2", "guest-2")[0]).toBe(golden);
    expect(ids("{}", "/a.qcow2", "guest-2")[1]).not.toBe(cloud);
  });

  it("give machines a new instance and volume when they change, and keep name, MAC and address", () => {
    const lab = config();
    const good = goodFacts(lab);
    const base = good.images.base;
    if (base === undefined) throw new Error("no image");
    const before = planned(lab, good);
    const after = planned(lab, { ...good, images: { base: { ...base, identity: { id: "recipe-2" } } } });
    expect(after.images[0]?.volume).not.toBe(before.images[0]?.volume);
    for (const [index, node] of after.computeNodes.entries()) {
      const old = before.computeNodes[index];
      expect(node.instanceId).not.toBe(old?.instanceId);
      expect([node.name, node.mac, node.address]).toEqual([old?.name, old?.mac, old?.address]);
    }
  });

  it("tell cloud-init name and instance by the serial", () => {
    const { controller } = planned(config());
    expect(controller.domain.smbiosSerial).toBe(`ds=nocloud;h=lab-controller;i=${controller.instanceId}`);
  });
});

describe("findings", () => {
  it("are printed with their place and remedy", () => {
    const file = loaded(labText({ nodes: list("10.50.0.1") }));
    const { findings } = planLab(file.config, goodFacts(file.config));
    expect(printFindings(findings, "lab.yaml", file.locate)).toBe(
      "lab.yaml:11:56  error  clusters.hpc.compute_nodes[0].ip: 10.50.0.1 is the gateway's address\n" +
        "    Choose another address, or another gateway_ip.\n",
    );
  });
});
