import { describe, expect, it } from "vitest";
import { finder } from "../../../providers/libvirt/finder.ts";

describe("a finder", () => {
  const calls: string[] = [];
  const find = finder((item: { key: string; value: number }) => {
    calls.push(item.key);
    return item.key;
  });
  const items = [
    { key: "a", value: 1 },
    { key: "b", value: 2 },
    { key: "a", value: 3 },
  ];

  it("finds the first item of a key, or nothing", () => {
    expect(find(items, "a")?.value).toBe(1);
    expect(find(items, "b")?.value).toBe(2);
    expect(find(items, "c")).toBeUndefined();
    expect(find([], "a")).toBeUndefined();
  });

  it("looks at each item of a list once", () => {
    expect(calls).toHaveLength(items.length);
  });
});
