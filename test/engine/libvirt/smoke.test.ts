import { afterAll, beforeAll, it } from "vitest";
import { writeGuestImage, machine } from "../support/guest.ts";
import { Lab } from "../support/lab.ts";
let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
  writeGuestImage(lab.folder("image.raw"));
});
afterAll(() => lab?.stop());
it("smoke", async () => {
    const stack = await lab.stack("owner-of-lab-1");
    const d = (more: object) => ({
  pools: { pool: { name: "lab", path: lab.folder("pool") } },
  networks: {
    network: { name: "lab", mode: "nat" as const, bridge: "lab0", address: "10.50.0.1/24", dhcpRange: { start: "10.50.0.100", end: "10.50.0.199" } },
  },
  volumes: {
    image: { name: "image", pool: "lab", source: { path: lab.folder("image.raw"), id: "image-1" } },
  },
  domains: { m1: machine("m1", { rootDisk: {pool: "lab", image: "image", sizeMiB: 2}, interfaces: [{network: "lab", mac: "52:54:00:00:00:01", address: "10.50.0.11"}], ...more})}
});
    const steps: [string, object][] = [["start", {}], ["title", {title: "x"}], ["mem", {memoryMiB: 80}], ["name", {name: "m2"}]];
    for (const [what, more] of steps) {
      await stack.declare(d(more));
      let t = Date.now();
      const p = await stack.run("preview");
      console.log(what, Date.now()-t, p.text);
      t = Date.now();
      const u = await stack.run("up");
      console.log(what, Date.now()-t, u.text);
    }
      let t = Date.now();
      const p = await stack.run("preview");
      console.log(Date.now()-t, p.text);
    console.log((await stack.run("destroy")).text);
});
