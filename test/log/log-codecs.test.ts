import { expect, test } from "vitest";
import type { AppendCommand, LogCommand } from "#lib/log/log-command.ts";
import { logStateMachine } from "#lib/log/log-state-machine.ts";
import { objectKey } from "#lib/util/branded.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import {
  COMPACTION_INPUTS_MAX,
  FLUSH_BATCHES_MAX,
  GATHERED_BYTES_MAX,
  JOURNAL_RECORD_BYTES_MAX,
  MERGED_INPUTS_MAX,
  PRODUCER_IDLE_MS,
} from "#lib/util/limits.ts";
import {
  batchOf,
  encodedOutcome,
  encodedState,
  FoldedLog,
  flushIdOf,
  objectSource,
  openedLog,
  produced,
  recoded,
  reloaded,
  TOPIC,
  topicIdOf,
} from "./log-fixtures.ts";
import {
  directoryOf,
  gatherOf,
  inputsOf,
  replaceOf,
  SEGMENT_COMMANDS,
  segmentOf,
  walKeyOf,
} from "./segment-commands.ts";

function encoded(command: LogCommand): Uint8Array {
  const writer = new ByteWriter();
  logStateMachine.encodeCommand(command, writer);
  return writer.toBytes();
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

const flush: AppendCommand = {
  kind: "append",
  flushId: flushIdOf(5),
  source: { kind: "object", key: objectKey("wal/a"), byteLength: 300, copies: [0, 2] },
  parts: [
    { topicId: TOPIC, partitionIndex: 0, position: 0, batches: [batchOf(), produced(70_000)] },
    { topicId: TOPIC, partitionIndex: 3, position: 200, batches: [batchOf({ requireMinInsync: false })] },
    { topicId: topicIdOf(2), partitionIndex: 1, position: 310, batches: [batchOf({ isTransactional: true })] },
  ],
};

test("an append command has the drawn bytes", () => {
  expect(hex(encoded(flush))).toBe(
    [
      "04",
      "00000000000000000000000000000005",
      "0577616c2f61 ac02 020002",
      "00000000000003e8 02",
      "00000000000000000000000000000001 02",
      "00 00 02 04640100 0564010007 00 f0a204",
      "03 00 01 00640100",
      "00000000000000000000000000000002 01",
      "01 14 01 06640100",
    ]
      .join("")
      .replaceAll(" ", ""),
  );
});

test("elections, changes of ISR and replicas, and what is declared lost have the drawn bytes", () => {
  const elect: LogCommand = { kind: "elect", expectedEpoch: 4, brokerId: 2, brokerEpoch: 300, clusterSeq: 301 };
  expect(hex(encoded(elect))).toBe("070403ac02ad02");
  expect(hex(encoded({ ...elect, brokerId: -1, brokerEpoch: 0 }))).toBe("07040000ad02");
  expect(hex(encoded({ kind: "alter-isr", expectedIsrEpoch: 5, isr: [2, 0] }))).toBe("0805020200");
  expect(hex(encoded({ kind: "add-replicas", replicas: [1, 2] }))).toBe("0a020102");
  const lost: LogCommand = { kind: "declare-lost", topicId: TOPIC, partitionIndex: 300, key: objectKey("wal/a") };
  expect(hex(encoded(lost))).toBe(`09${"1".padStart(32, "0")}ac020577616c2f61`);
});

test("a snapshot has a leader and an ISR epoch from the first of them on, and looks as before until then", () => {
  const log = new FoldedLog();
  const drawn = (text: string) => text.replaceAll(" ", "");
  log.fold({ kind: "place-replicas", replicas: [1, 0] });
  expect(hex(encodedState(log.state))).toBe(drawn("01 020100 020100 00 0000000000000000 000000"));
  log.fold({ kind: "alter-isr", expectedIsrEpoch: 0, isr: [0] });
  expect(hex(encodedState(log.state))).toBe(drawn("02 020100 0100 0100000000 00 0000000000000000 000000"));
  log.fold({ kind: "elect", expectedEpoch: 0, brokerId: 0, brokerEpoch: 7, clusterSeq: 300 });
  expect(hex(encodedState(log.state))).toBe(drawn("02 020100 0100 01010107ac02 00 0000000000000000 000000"));
});

test("what names segments and their inputs has the drawn bytes", () => {
  const drawn = (...texts: readonly string[]) => texts.join("").replaceAll(" ", "");
  const [replace, , gather, retire, expire, cleaning] = SEGMENT_COMMANDS.map((command) => hex(encoded(command)));
  const text = (value: string) => hex(Buffer.from([value.length, ...Buffer.from(value)]));
  const topicId = "1".padStart(32, "0");
  const five = "5".padStart(32, "0");
  expect(replace).toBe(
    drawn(
      `0b ${topicId} ac02 05`,
      `00 00 ac02 ${text(directoryOf(2))}`,
      "00 ac02 01 00",
      `01 ad02 01 ${five}`,
      "02 ae02 03 ac02 02",
      "03 b102 01",
      "02",
      `00 b102 ${text(directoryOf(1))} a4ee01 08 0c 22 00000000000003e8 00000000000f4240 01 020200`,
      `b102 01 ${text(directoryOf(1))} 64 08 0c 00 ffffffffffffffff 00000000000f4240 00 00`,
    ),
  );
  expect(gather).toBe(
    drawn(
      `0c ${"9".padStart(32, "0")} ${text(walKeyOf(9))} e807 020100 02`,
      `${topicId} 03 1c 02`,
      "02 01 01 07 00",
      `01 02 aa02 ${five}`,
      `${topicId} 04 ac03 00`,
    ),
  );
  expect(retire).toBe(drawn("0d 989b1e"));
  expect(expire).toBe(drawn(`0e ${topicId} 05 00000000000f4240`));
  expect(cleaning).toBe(drawn(`0f ${topicId} 05 ac02 f0a204`));
});

test("a snapshot has segments and the floor from the first of them on", () => {
  const log = openedLog();
  const drawn = (text: string) => text.replaceAll(" ", "");
  log.state.partitions.clear();
  log.fold({ kind: "retire", floor: 300 });
  expect(hex(encodedState(log.state))).toBe(drawn("03 0100 0100 0000000000 ad02 00 0000000000000000 000000"));
  const other = openedLog();
  other.append([batchOf()]);
  const plain = encodedState(other.state).byteLength;
  other.fold(replaceOf(inputsOf(other), [segmentOf(0, 1)]));
  const segment = `00 01 ${hex(Buffer.from([directoryOf(1).length, ...Buffer.from(directoryOf(1))]))}`;
  const rest = "64 08 0c 00 00000000000003e8 00000000000f4240 00 0100";
  expect(hex(encodedState(other.state))).toContain(drawn(`01 ${segment} ${rest}`));
  expect(reloaded(other.state)).toEqual(other.state);
  expect(plain).toBeGreaterThan(0);
});

test("a command with as many inputs as it may have fits in a journal record", () => {
  const place = { kind: "object", flushId: flushIdOf(1) } as const;
  const inputs = Array.from({ length: COMPACTION_INPUTS_MAX }, (_, index) => {
    const baseOffset = Number.MAX_SAFE_INTEGER - (COMPACTION_INPUTS_MAX - index) * 2 ** 40;
    return { kind: "entry", baseOffset, nextOffset: baseOffset + 2 ** 40, place } as const;
  });
  const directory = `segments/0000000001/${"a".repeat(32)}/${"t".repeat(249)}-99999`;
  const parts = inputs.map((input) => ({
    topicId: TOPIC,
    partitionIndex: 0x7fff_ffff,
    position: GATHERED_BYTES_MAX,
    inputs: [input],
  }));
  expect(encoded(gatherOf(1, { parts })).byteLength).toBeLessThan(JOURNAL_RECORD_BYTES_MAX - 1024);
  const segments = [segmentOf(0, 1)];
  expect(encoded(replaceOf(inputs, segments)).byteLength).toBeLessThan(JOURNAL_RECORD_BYTES_MAX - 1024);
  // The names of segments are long, so that fewer of them may be named.
  const merged = inputs.map(
    ({ baseOffset, nextOffset }) => ({ kind: "segment", baseOffset, nextOffset, directory }) as const,
  );
  expect(encoded(replaceOf(merged.slice(0, MERGED_INPUTS_MAX), segments)).byteLength).toBeLessThan(
    JOURNAL_RECORD_BYTES_MAX - 1024,
  );
});

const commands: readonly LogCommand[] = [
  ...SEGMENT_COMMANDS,
  { kind: "place-replicas", replicas: [2, 0, 1] },
  {
    kind: "open",
    topicId: TOPIC,
    partitionIndexes: [0, 12, 24],
    replicationFactor: 3,
    minInsyncReplicas: 2,
    clusterSeq: 900,
  },
  { kind: "drop", topicId: TOPIC, clusterSeq: 901 },
  { kind: "advance-log-start", topicId: TOPIC, partitionIndex: 7, logStartOffset: 2 ** 52 },
  { kind: "elect", expectedEpoch: 0x7fff_fffe, brokerId: 0x7fff_ffff, brokerEpoch: 2 ** 52, clusterSeq: 2 ** 52 + 1 },
  { kind: "elect", expectedEpoch: 0, brokerId: -1, brokerEpoch: 0, clusterSeq: 3 },
  { kind: "alter-isr", expectedIsrEpoch: 300, isr: [2, 0] },
  { kind: "alter-isr", expectedIsrEpoch: 0, isr: [] },
  { kind: "declare-lost", topicId: TOPIC, partitionIndex: 3, key: objectKey("wal/a") },
  { kind: "add-replicas", replicas: [1, 2] },
  flush,
  { ...flush, parts: [] },
  { ...flush, parts: [{ topicId: TOPIC, partitionIndex: 0, position: 0, batches: [] }] },
  // Positions that go back, and timestamps whose distance is no safe integer.
  {
    ...flush,
    parts: [
      {
        topicId: TOPIC,
        partitionIndex: 1,
        position: 900,
        batches: [batchOf({ maxTimestampMs: Number.MAX_SAFE_INTEGER })],
      },
      {
        topicId: TOPIC,
        partitionIndex: 0,
        position: 3,
        batches: [batchOf({ maxTimestampMs: Number.MIN_SAFE_INTEGER })],
      },
    ],
  },
  { ...flush, source: { kind: "inline", bytes: Buffer.from("some batches") } },
];

test.each(commands.map((command, index) => [`${index} ${command.kind}`, command] as const))(
  "command %s survives its codec",
  (_name, command) => {
    expect(recoded(command)).toEqual(command);
  },
);

test("inlined bytes are a view into the record", () => {
  const record = encoded({ ...flush, source: { kind: "inline", bytes: Buffer.from("some batches") } });
  const command = logStateMachine.decodeCommand(new ByteReader(record));
  if (command.kind !== "append" || command.source.kind !== "inline") throw new Error("another command");
  expect(command.source.bytes.buffer).toBe(record.buffer);
});

test("a full flush fits in a journal record whatever clients send", () => {
  const parts = Array.from({ length: FLUSH_BATCHES_MAX }, (_, index) => ({
    topicId: topicIdOf(index + 1),
    partitionIndex: 0x7fff_ffff,
    position: index * 0x1_0000,
    batches: [
      produced(0x7fff_ffff, {
        byteLength: 0x1_0000,
        offsetCount: 0x7fff_ffff,
        maxTimestampMs: index % 2 === 0 ? Number.MAX_SAFE_INTEGER : 0,
        producerId: Number.MAX_SAFE_INTEGER,
        producerEpoch: 0x7fff,
      }),
    ],
  }));
  const worst = encoded({ ...flush, source: objectSource(1, [0, 1, 2]), parts }).byteLength;
  expect(worst).toBeLessThan(JOURNAL_RECORD_BYTES_MAX - 1024);
});

test("a cut command, an unknown kind and a boundless list are decode errors", () => {
  const whole = encoded(flush);
  for (let length = 0; length < whole.byteLength; length++) {
    expect(() => logStateMachine.decodeCommand(new ByteReader(whole.subarray(0, length)))).toThrow(DecodeError);
  }
  expect(() => logStateMachine.decodeCommand(new ByteReader(Buffer.from("63", "hex")))).toThrow(DecodeError);
  expect(() => logStateMachine.decodeCommand(new ByteReader(Buffer.from("01ffffffff0f", "hex")))).toThrow(DecodeError);
});

test("a cut snapshot, an unknown version and a wrong reference are decode errors", () => {
  const log = openedLog();
  log.append([produced(0), batchOf()]);
  const whole = encodedState(log.state);
  for (let length = 0; length < whole.byteLength; length++) {
    expect(() => logStateMachine.decodeState(new ByteReader(whole.subarray(0, length)))).toThrow(DecodeError);
  }
  const newer = Buffer.from(whole);
  newer[0] = 5;
  expect(() => logStateMachine.decodeState(new ByteReader(newer))).toThrow(/unknown version 5/);
});

test("a snapshot keeps what duplicates are known by, and leaves out what an idle producer lost", () => {
  const log = openedLog();
  log.append([0, 1, 2, 3, 4].map((sequence) => produced(sequence)));
  log.state = reloaded(log.state);
  expect(log.append([produced(0), produced(4)]).map((one) => one.kind)).toEqual(["duplicate", "duplicate"]);
  log.nowMs += PRODUCER_IDLE_MS + 1;
  log.append([batchOf()]);
  log.state = reloaded(log.state);
  expect(
    log
      .partition()
      .producers.get(7)
      ?.batches.map((one) => one.baseSequence),
  ).toEqual([4]);
  expect(log.append([produced(0), produced(4)]).map((one) => one.kind)).toEqual(["refused", "duplicate"]);
});

test("an outcome has the drawn bytes", () => {
  expect(hex(encodedOutcome({ kind: "done" }))).toBe("00");
  expect(hex(encodedOutcome({ kind: "refused", error: 19 }))).toBe("010013");
  const outcome = encodedOutcome({
    kind: "appended",
    parts: [
      [
        { kind: "appended", baseOffset: 5, logStartOffset: 1 },
        { kind: "duplicate", baseOffset: 300, logStartOffset: 1 },
      ],
      [{ kind: "refused", error: 3 }],
    ],
  });
  expect(hex(outcome)).toBe(["0202", "02", "000501", "01ac0201", "01", "020003"].join(""));
  expect(hex(encodedOutcome({ kind: "gathered", parts: [true, false] }))).toBe("03020100");
  expect(hex(encodedOutcome({ kind: "retired", floor: 300 }))).toBe("04ac02");
});
