import { describe, expect, expectTypeOf, it } from "vitest";
import type { DomainPlan, OwnedNetworkPlan, PoolPlan, StateVolumePlan } from "../../../planning/index.ts";
import type {
  DomainInputs,
  NetworkInputs,
  PoolInputs,
  VolumeInputs,
} from "../../../providers/libvirt/resources/inputs.ts";
import { config, planned } from "./lab.ts";

describe("the plan's inputs of the provider", () => {
  it("have the provider's own types", () => {
    expectTypeOf<DomainPlan>().toExtend<DomainInputs>();
    expectTypeOf<OwnedNetworkPlan>().toExtend<NetworkInputs>();
    expectTypeOf<PoolPlan>().toExtend<PoolInputs>();
    expectTypeOf<StateVolumePlan["inputs"]>().toExtend<VolumeInputs>();
  });

  it("are plain data that JSON carries unchanged", () => {
    const plan = planned(config());
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });

  it("stay small: what a compute node adds is less than 2 KB", () => {
    const node = planned(config()).computeNodes[0];
    expect(JSON.stringify(node?.domain).length).toBeLessThan(2048);
  });
});
