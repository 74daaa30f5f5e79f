import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { defaultMinInsync } from "#lib/cluster/effective-configs.ts";
import { type ConfigEffect, TOPIC_CONFIGS } from "#lib/cluster/topic-configs.ts";
import { type CopiesNeeded, copiesNeeded, inSyncCount } from "#lib/log/commit-rule.ts";
import { initialLogState } from "#lib/log/log-state-machine.ts";
import * as limits from "#lib/util/limits.ts";

const page = readFileSync(new URL("../../docs/GUARANTEES.md", import.meta.url), "utf8");

const UNITS = new Map<string | undefined, number>([
  [undefined, 1],
  ["bytes", 1],
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["ms", 1],
  ["s", 1000],
  ["min", 60_000],
  ["h", 3_600_000],
]);

/** Whether a file has a test of that title, in whatever quotes. */
function hasTest(path: string, title: string): boolean {
  const url = new URL(`../../${path}`, import.meta.url);
  if (!existsSync(url)) return false;
  const source = readFileSync(url, "utf8");
  return [`"${title}"`, `\`${title}\``].some((quoted) => source.includes(quoted));
}

function namesIn(row: string): readonly string[] {
  const line = page.split("\n").find((each) => each.startsWith(`| ${row} |`)) ?? "";
  return [...line.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");
}

/** How many copies an answer takes while so many of the stores are away; undefined if there are no answers then. */
function copiesWhile(away: number, replicationFactor: number, row: ReplicaRow): number | undefined {
  const replicas = Array.from({ length: replicationFactor }, (_, store) => store);
  const state = { ...initialLogState(), replicas, isr: replicas.slice(away) };
  const settings = { replicationFactor, minInsyncReplicas: row.minInsync };
  const rule: CopiesNeeded = copiesNeeded(state, settings);
  const needed = row.acks === "all" ? rule.withMinInsync : rule.withoutMinInsync;
  const answering = inSyncCount(state, replicas);
  return answering > 0 && answering >= needed ? needed : undefined;
}

interface ReplicaRow {
  readonly minInsync: number;
  readonly acks: string;
}

describe("docs/GUARANTEES.md", () => {
  test("says of replicas what the commit rule says", () => {
    const rows = [
      ...page.matchAll(/^\| (\d) \| (\d|any)( \(default\))? \| `(all|1)` \| (\d) \| (\d) \| (\d) \| (\d) \|$/gm),
    ];
    for (const [text, rf = "", minInsync = "", isDefault, acks = "", ...said] of rows) {
      const replicationFactor = Number(rf);
      const row = { minInsync: minInsync === "any" ? replicationFactor : Number(minInsync), acks };
      if (isDefault !== undefined) expect(row.minInsync, text).toBe(defaultMinInsync(replicationFactor));
      const copies = Array.from({ length: replicationFactor + 1 }, (_, away) =>
        copiesWhile(away, replicationFactor, row),
      );
      const awayMax = copies.lastIndexOf(copies.findLast((each) => each !== undefined));
      const whole = copies[0] ?? 0;
      expect(said.map(Number), text).toEqual([whole, whole - 1, awayMax, copies[awayMax]]);
    }
    expect(rows).toHaveLength(11);
  });

  test("names tests that exist", () => {
    const named = [...page.matchAll(/`(test\/[\w./-]+) "([^"]+)"`/g)];
    const missing = named.filter(([, path = "", title = ""]) => !hasTest(path, title)).map(([text]) => text);
    expect(missing).toEqual([]);
    expect(named.length).toBeGreaterThan(40);
    expect([...page.matchAll(/test\/[\w./-]+\.ts/g)]).toHaveLength(named.length);
  });

  test("shows the limits as they are", () => {
    const values = new Map<string, unknown>(Object.entries(limits));
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| ([\d,]+)(?: (\w+))? \|/gm)];
    for (const [text, name = "", digits = "", unit] of rows) {
      expect(Number(digits.replaceAll(",", "")) * (UNITS.get(unit) ?? Number.NaN), text).toBe(values.get(name));
    }
    expect(rows).toHaveLength(31);
  });

  test.each<[ConfigEffect, string]>([
    ["acts", "act"],
    ["later", "do not act yet"],
    ["none", "tune what Millrace does not have"],
  ])("lists the topic configs of effect %s", (effect, row) => {
    expect(namesIn(row)).toEqual(TOPIC_CONFIGS.filter((config) => config.effect === effect).map(({ name }) => name));
  });
});
