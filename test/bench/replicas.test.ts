import { expect, test } from "vitest";
import { replicasSuite } from "../../bench/replicas/suite.ts";

test("the replica benchmarks measure no ack beside a slow store that is faster than the services", async () => {
  const lines: string[] = [];
  const measured = await replicasSuite.run({
    isSmall: true,
    repeats: 1,
    wants: (row) => row.includes("one store of three slow"),
    say: (line) => lines.push(line),
  });
  expect(lines).toHaveLength(1);
  expect(measured).toHaveLength(4);
  for (const { name, ours, reference } of measured) {
    expect(
      [...ours, ...reference].map((ms) => ms > 5),
      name,
    ).toEqual([true, true]);
  }
});
