import { expect, test } from "vitest";
import { simulationOptions } from "./options.ts";

test("the simulation runs 2,000 seeds of every world unless told otherwise", () => {
  expect(simulationOptions([])).toMatchObject({
    seeds: "2000",
    from: "1",
    worlds: ["log", "groups", "replicas", "workers"],
  });
  expect(simulationOptions(["--world", "groups", "--from", "7"])).toMatchObject({ from: "7", worlds: ["groups"] });
});

test.each([
  ["--seeds", "abc"],
  ["--seeds", "0"],
  ["--seeds", "1e3"],
  ["--from", "x"],
  ["--minutes", "soon"],
  ["--world", "moon"],
  ["--planted", "nothing"],
])("the simulation asked for %s %s runs nothing and says so", (name, value) => {
  expect(() => simulationOptions([name, value])).toThrow(value);
});
