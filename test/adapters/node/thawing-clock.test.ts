import { spawnSync } from "node:child_process";
import { afterEach, expect, test } from "vitest";
import { ThawingClock } from "#lib/adapters/node/thawing-clock.ts";

const clocks: ThawingClock[] = [];
afterEach(() => {
  for (const clock of clocks.splice(0)) clock.rest();
});

/** A clock on a host whose wall clock runs `aheadMs` ahead from now on, as it does after a freeze. */
function clockOnHost() {
  const host = { aheadMs: 0 };
  const clock = new (class extends ThawingClock {
    override nowMs(): number {
      return super.nowMs() + host.aheadMs;
    }
  })();
  clocks.push(clock);
  return { host, clock };
}

test("time that only the wall clock has seen counts as passed", () => {
  const { host, clock } = clockOnHost();
  clock.rest();
  const before = clock.monotonicMs();
  host.aheadMs = 60_000;
  expect(clock.thaw()).toBeGreaterThanOrEqual(60_000);
  expect(clock.monotonicMs() - before).toBeGreaterThanOrEqual(60_000);
});

test("time that both clocks have seen counts once", async () => {
  const { clock } = clockOnHost();
  clock.rest();
  await clock.sleep(40);
  const restedMs = clock.thaw();
  expect(restedMs).toBeGreaterThanOrEqual(39);
  expect(restedMs).toBeLessThan(1_000);
});

test("many short calls do not let it run ahead", () => {
  const clock = new ThawingClock();
  clocks.push(clock);
  const gains: number[] = [];
  // Several times: a wall clock that is set right meanwhile looks like a rest, as it should.
  for (let round = 0; round < 3; round++) {
    const aheadMs = clock.monotonicMs() - performance.now();
    for (let call = 0; call < 20_000; call++) {
      clock.rest();
      clock.thaw();
    }
    gains.push(clock.monotonicMs() - performance.now() - aheadMs);
  }
  expect(Math.min(...gains)).toBeLessThan(5);
});

test("a wall clock that was set back takes nothing away", () => {
  const { host, clock } = clockOnHost();
  clock.rest();
  const before = clock.monotonicMs();
  host.aheadMs = -3_600_000;
  expect(clock.thaw()).toBeGreaterThanOrEqual(0);
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
});

test("from thaw to rest the process stays for what is scheduled, and then ends", () => {
  const url = new URL("../../../lib/adapters/node/thawing-clock.ts", import.meta.url).href;
  const code = `import { ThawingClock } from "${url}";
    const clock = new ThawingClock();
    clock.thaw();
    clock.schedule(30, () => { clock.rest(); console.log("called"); });`;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "--eval", code]);
  expect({ printed: stdout.toString(), status }).toEqual({ printed: "called\n", status: 0 });
});
