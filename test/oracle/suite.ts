import { equal, ok } from "node:assert/strict";
import { ALL_APIS } from "#lib/protocol/apis.ts";
import type { Suite } from "../clients/support/suite.ts";
import { checkApi, Oracles, type Tally } from "./run.ts";

const CASES = 60;
const NIGHTLY_CASES = 400;
/** Nights go on where the last one stopped, by and large: seeds follow the day. */
const NIGHT_SEEDS = 1_000_000;

export const oracleSuite: Suite = {
  name: "oracle",
  budgetMinutes: 3,
  nightlyBudgetMinutes: 15,
  what: "the codec against Kafka's own message classes: random messages both ways, byte for byte",
  async run(facts, { isNightly }) {
    await using oracles = await Oracles.start();
    const cases = isNightly ? NIGHTLY_CASES : CASES;
    const day = Math.floor(Date.now() / 86_400_000);
    const firstSeed = isNightly ? NIGHT_SEEDS + day * NIGHTLY_CASES : 1;
    const total = { same: 0, skipped: 0, refused: 0 };
    for (const api of ALL_APIS) {
      const { min, max } = api.versions;
      await facts.check(`${api.name} v${min}-${max}, ${cases} cases a version, message and side`, async () => {
        const { ends, versions, failures } = await checkApi(oracles, { api, firstSeed, cases }, isNightly);
        for (const end of ["same", "skipped", "refused"] as const) total[end] += ends[end];
        console.log(`     ${endsText(ends)} from seed ${firstSeed}; ${versions.join(", ")}`);
        // Said here because a fact's error has one line, and a replay is only good if it is whole.
        for (const failure of failures) console.log(`     ${failure}`);
        equal(failures.length, 0, `${failures.length} failures`);
      });
    }
    await facts.check(`all together: ${endsText(total)}`, async () => {
      ok(total.same > 0 && total.skipped > 0 && total.refused > 0, "one kind of case never came up");
    });
  },
};

function endsText({ same, skipped, refused }: Tally["ends"]): string {
  return `${same + skipped + refused} cases (${skipped} with fields to skip or clamp, ${refused} refused beyond 2^53)`;
}
