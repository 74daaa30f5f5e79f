import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { KEY_OPERATIONS } from "#lib/cluster/api-key-state.ts";
import type { ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import { clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { CLASSIC_STATES } from "#lib/coordinator/classic-group.ts";
import { CONSUMER_MEMBER_STATES } from "#lib/coordinator/consumer-group.ts";
import type { GroupOutcome } from "#lib/coordinator/group-outcome.ts";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { COMMAND_KIND } from "#lib/journal/command-record.ts";
import type { LogOutcome } from "#lib/log/log-command.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { SEGMENT_SUFFIXES } from "#lib/storage/object-keys.ts";
import { OFFSET_INDEX_ENTRY_BYTES } from "#lib/storage/segments/offset-index.ts";
import { TIME_INDEX_ENTRY_BYTES } from "#lib/storage/segments/time-index.ts";
import { ABORTED_TRANSACTION_BYTES } from "#lib/storage/segments/transaction-index.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import * as limits from "#lib/util/limits.ts";

// What docs/FORMATS.md numbers, against the codecs: a kind that they take and the page does not name is found here.

const page = readFileSync(new URL("../../docs/FORMATS.md", import.meta.url), "utf8");
const CLUSTER = sectionOf(7);
const LOG = sectionOf(8);
const GROUP = sectionOf(9);

function sectionOf(number: number): string {
  return page.split(/^## /m).find((text) => text.startsWith(`${number}. `)) ?? "";
}

/** The section's first drawing. */
function drawingOf(section: string): string {
  return section.split("```")[1] ?? "";
}

function drawingOfIndexes(): readonly string[] {
  return (sectionOf(11).split("```")[3] ?? "").split("\n");
}

function kindsIn(text: string, row: RegExp): readonly string[] {
  return [...text.matchAll(row)].map(([, number, name]) => `${number} ${name}`);
}

const LONGEST_BODY_BYTES = 256;

/** The kinds that a codec takes. Zeroes are a body of any kind: empty texts and lists, and nothing optional. */
function kindsOf(decode: (reader: ByteReader) => { readonly kind: string }): readonly string[] {
  const kinds: string[] = [];
  for (let number = 0; number < 256; number++) {
    const command = new Uint8Array(LONGEST_BODY_BYTES);
    command[0] = number;
    try {
      kinds.push(`${number} ${decode(new ByteReader(command)).kind}`);
    } catch (error) {
      const isUnknown = error instanceof DecodeError && /^unknown .*command \d+$/.test(error.message);
      if (!isUnknown) throw error;
    }
  }
  return kinds;
}

type Samples<Outcome extends { readonly kind: string }> = {
  readonly [Kind in Outcome["kind"]]: Extract<Outcome, { readonly kind: Kind }>;
};

const refused = { kind: "refused", error: ErrorCode.INVALID_REQUEST } as const;

const CLUSTER_OUTCOMES: Samples<ClusterOutcome> = {
  done: { kind: "done" },
  refused: { ...refused, detail: "" },
  named: { kind: "named", clusterId: "" },
  created: { kind: "created", baseJournal: 0 },
  deleting: { kind: "deleting", deletingSince: 1 },
  "producer-ids": { kind: "producer-ids", first: 0 },
  registered: { kind: "registered", brokerEpoch: 1 },
};

const LOG_OUTCOMES: Samples<LogOutcome> = {
  done: { kind: "done" },
  refused,
  appended: { kind: "appended", parts: [] },
  gathered: { kind: "gathered", parts: [] },
  retired: { kind: "retired", floor: 0 },
};

const GROUP_OUTCOMES: Samples<GroupOutcome> = {
  done: { kind: "done" },
  refused,
  moved: { kind: "moved" },
  "stale-view": { kind: "stale-view" },
  joined: { kind: "joined", round: 1, replacedMemberId: undefined },
  reserved: { kind: "reserved" },
  "subscription-needed": { kind: "subscription-needed" },
  "nobody-joined": { kind: "nobody-joined" },
  left: { kind: "left", errors: [] },
  "joined-consumer-group": { kind: "joined-consumer-group", memberEpoch: 1, protocolName: "" },
  "consumer-heartbeat": { kind: "consumer-heartbeat", memberEpoch: 1, assignment: undefined },
  "upgrade-needed": { kind: "upgrade-needed" },
};

/** `12 upgrade needed` for each kind of outcome, by the byte that is written. */
function numbered<Outcome extends { readonly kind: string }>(
  samples: Readonly<Record<string, Outcome>>,
  encode: (outcome: Outcome, writer: ByteWriter) => void,
): readonly string[] {
  return Object.values(samples).map((outcome) => {
    const writer = new ByteWriter();
    encode(outcome, writer);
    return `${writer.toBytes()[0]} ${outcome.kind.replaceAll("-", " ")}`;
  });
}

function isDrawn(section: string, outcome: string): boolean {
  return new RegExp(`\\b${outcome}[,:;]`).test(section.replaceAll("-", " "));
}

describe("docs/FORMATS.md", () => {
  test.each<[string, string, RegExp, readonly string[]]>([
    ["cluster", CLUSTER, /^\| (\d+) ([a-z-]+)/gm, kindsOf(clusterStateMachine.decodeCommand)],
    ["log", drawingOf(LOG), /^(\d+) ([a-z-]+)/gm, kindsOf(logStateMachine.decodeCommand)],
    ["group", drawingOf(GROUP), /^ ?(\d+) ([a-z-]+)/gm, kindsOf(groupStateMachine.decodeCommand)],
  ])("names every kind of command in a %s journal, and no other", (_, text, row, kinds) => {
    expect(kindsIn(text, row)).toEqual(kinds);
  });

  test.each<[string, string, readonly string[]]>([
    ["cluster", CLUSTER, numbered(CLUSTER_OUTCOMES, clusterStateMachine.encodeOutcome)],
    ["log", LOG, numbered(LOG_OUTCOMES, logStateMachine.encodeOutcome)],
    ["group", GROUP, numbered(GROUP_OUTCOMES, groupStateMachine.encodeOutcome)],
  ])("names every kind of outcome in a %s journal", (_, section, outcomes) => {
    expect(outcomes.filter((outcome) => !isDrawn(section, outcome))).toEqual([]);
  });

  test("names every kind of command in a journal's record", () => {
    const rows = [...sectionOf(5).matchAll(/^\| (\d+) /gm)].map(([, number]) => Number(number));
    expect(rows).toEqual(Object.values(COMMAND_KIND));
  });

  test.each<[string, string, readonly string[]]>([
    ["operations of a key", CLUSTER, KEY_OPERATIONS],
    ["states of a classic group", GROUP, CLASSIC_STATES],
    ["states of a member of a consumer group", GROUP, CONSUMER_MEMBER_STATES],
  ])("numbers the %s", (_, section, names) => {
    expect(section).toContain(names.map((name, number) => `${number} ${name}`).join(", "));
  });

  test.each<[string, number, (limit: string) => string]>([
    [CLUSTER, limits.TOPICS_MAX, (limit) => `44 ${limit} topics stand`],
    [CLUSTER, limits.PARTITIONS_PER_TOPIC_MAX, (limit) => `partitions not 1 to ${limit};`],
    [CLUSTER, limits.PARTITIONS_PER_TOPIC_MAX, (limit) => `no increase or above ${limit} [`],
    [CLUSTER, limits.PARTITIONS_MAX, (limit) => `more than ${limit} partitions`],
    [CLUSTER, limits.CONFIG_VALUE_LENGTH_MAX, (limit) => `more than ${limit} UTF-16 units`],
    [CLUSTER, limits.PRODUCER_IDS_PER_BLOCK_MAX, (limit) => `count not 1 to ${limit};`],
    [CLUSTER, limits.API_KEYS_MAX, (limit) => `44 ${limit} keys stand`],
    [CLUSTER, limits.API_KEY_RIGHTS_MAX, (limit) => `more than ${limit} rights`],
    [CLUSTER, limits.GROUP_CONFIGS_MAX, (limit) => `and ${limit} groups have some`],
    [GROUP, limits.PENDING_MEMBERS_MAX, (limit) => `at most ${limit} reserved ids`],
  ])("says the limits that the folds enforce (%$)", (section, limit, textOf) => {
    expect(section).toContain(textOf(limit.toLocaleString("en-US")));
  });

  test.each([
    ["cluster", clusterStateMachine.featureLevel],
    ["log-k", logStateMachine.featureLevel],
    ["group-k", groupStateMachine.featureLevel],
  ])("says of every feature level of %s above 1 what it brought", (journal, understood) => {
    const rows = [...sectionOf(13).matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)];
    const levels = rows.filter(([, name]) => name === journal).map(([, , level]) => Number(level));
    expect(levels).toEqual(Array.from({ length: understood - 1 }, (_, index) => index + 2));
  });

  test("draws the indexes of log segments in the sizes that they have", () => {
    const ends = drawingOfIndexes().map((line) =>
      [...line.matchAll(/(\d+) +the next entry/g)].map(([, at]) => Number(at)),
    );
    expect(ends.flat()).toEqual([OFFSET_INDEX_ENTRY_BYTES, TIME_INDEX_ENTRY_BYTES, ABORTED_TRANSACTION_BYTES]);
    expect(sectionOf(11)).toContain(
      `begins more than ${limits.INDEX_INTERVAL_BYTES.toLocaleString("en-US")} bytes behind`,
    );
    for (const suffix of SEGMENT_SUFFIXES) expect(sectionOf(11)).toContain(`<base offset>.${suffix}`);
  });

  test.each(["cluster", "log", "coordinator"])("links to every codec of lib/%s", (folder) => {
    const names = readdirSync(new URL(`../../lib/${folder}`, import.meta.url));
    const codecs = names.filter((name) => name.endsWith("-codec.ts")).map((name) => `(../lib/${folder}/${name})`);
    expect(codecs.filter((link) => !page.includes(link))).toEqual([]);
    expect(codecs.length).toBeGreaterThan(0);
  });
});
