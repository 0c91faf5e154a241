/** The first points of the fault campaign, one of each fault; `npm run test:faults` runs all of them. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Campaign } from "../faults/campaign.ts";
import { describePoint, faultPairs, faultPlan, faults, type Point } from "../faults/plan.ts";

const seed = 1;

let campaign: Campaign;
let plan: readonly Point[] = [];
beforeAll(async () => {
  campaign = await Campaign.start();
  plan = faultPlan(seed, faults.length, await campaign.record());
});
afterAll(() => campaign?.stop());

it.each(faultPairs(seed, faults.length))(
  "$phase, $fault: the next run comes to the same result, and nothing is left over",
  async ({ number }) => {
    const point = plan[number - 1];
    if (point === undefined) throw new Error(`the plan has no point ${number}`);
    const problems = await campaign.run(point);
    const again = `npm run test:faults -- --seed ${seed} --only ${number}`;
    expect(problems, `${describePoint(point)}; again: ${again}`).toEqual([]);
  },
);
