import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { KGO_TESTS } from "../clients/franz-go/allow-list.ts";
import { LIBRDKAFKA_TESTS } from "../clients/librdkafka/allow-list.ts";
import { NODE_RDKAFKA_TESTS } from "../clients/node-rdkafka/allow-list.ts";
import { type AllowList, findingsOf } from "../clients/support/allow-list.ts";
import { ALLOW_LIST_FLOORS } from "../clients/support/allow-list-floors.ts";

const LISTS: Readonly<Record<string, AllowList>> = {
  "franz-go": KGO_TESTS,
  librdkafka: LIBRDKAFKA_TESTS,
  "node-rdkafka": NODE_RDKAFKA_TESTS,
};

describe("the lists of others' tests", () => {
  test("only grow", () => {
    const findings = Object.entries(LISTS).flatMap(([suite, list]) =>
      findingsOf(list, ALLOW_LIST_FLOORS[suite] ?? 0).map((finding) => `${suite}: ${finding}`),
    );
    expect(findings).toEqual([]);
  });

  test("are those of the folders of clients, each with a floor", () => {
    const clients = fileURLToPath(new URL("../clients/", import.meta.url));
    const folders = readdirSync(clients).filter(
      (name) => name !== "support" && existsSync(`${clients}${name}/allow-list.ts`),
    );
    expect(Object.keys(LISTS).toSorted()).toEqual(folders.toSorted());
    expect(Object.keys(ALLOW_LIST_FLOORS).toSorted()).toEqual(folders.toSorted());
  });
});

describe("the rules about such a list", () => {
  const list: AllowList = { runs: ["a", "b"], leftOut: { c: "needs groups" } };

  test("find nothing in one that runs as many tests as before", () => {
    expect(findingsOf(list, 2)).toEqual([]);
  });

  test("find one that lost a test, even if another name stands there twice instead", () => {
    expect(findingsOf(list, 3)).toEqual(["runs 2 tests and ran 3: a list may only grow"]);
    expect(findingsOf({ ...list, runs: ["a", "a"] }, 2)).toEqual([
      "names a test twice",
      "runs 1 tests and ran 2: a list may only grow",
    ]);
  });

  test("find a floor that was not raised with the list", () => {
    expect(findingsOf(list, 1)).toEqual(["runs 2 tests: raise its floor from 1"]);
  });

  test("find a test that is left out without a reason", () => {
    expect(findingsOf({ runs: ["a"], leftOut: { b: " " } }, 1)).toEqual(["b is left out without a reason"]);
  });
});
