import { expect, it } from "vitest";
import { brief, labText, loaded, refused } from "./lab-text.ts";

const snapshotOf = (image: string) => loaded(labText({ hpc: `image: ${image}` })).config.hpc?.image.snapshot;

it("a date means its first moment, in the form of the archive", () => {
  expect(snapshotOf("{}")).toBeUndefined();
  expect(snapshotOf("{ snapshot: 2026-11-01 }")).toBe("20261101T000000Z");
  expect(snapshotOf('{ snapshot: "20261101" }')).toBe("20261101T000000Z");
  expect(snapshotOf("{ snapshot: 20261101T083000Z }")).toBe("20261101T083000Z");
});

it.each(["yesterday", "2026-13-01", "2026-1101", "20261101T250000Z"])("%s is no moment", (moment) => {
  const [problem] = brief(refused(labText({ hpc: `image: { snapshot: "${moment}" }` })));
  expect(problem).toMatch(/clusters\.hpc\.image\.snapshot: .*a date such as 2026-11-01/);
});

it("an image of one's own has no moment", () => {
  const [problem] = brief(refused(labText({ hpc: "image: { path: /srv/x.qcow2, snapshot: 2026-11-01 }" })));
  expect(problem).toMatch(/clusters\.hpc\.image\.snapshot: is for the image that hyperlab builds/);
});
