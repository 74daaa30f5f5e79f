import { dump, type Field, hex32 } from "./hex-dump.ts";
import { GROUP, type WorkedExample, workedExample } from "./worked-example.ts";

/** The example as docs/FORMATS.md shows it: one block of lines an object or record. */
export function drawnExample(example: WorkedExample = workedExample()): readonly string[] {
  return [
    dump(example.segment, segmentFields(example)),
    dump(example.opening, openingFields(example)),
    dump(example.append, appendFields(example)),
    dump(example.commit, commitFields(example)),
  ];
}

function segmentFields({ segment, batchByteLength }: WorkedExample): readonly Field[] {
  const sum = sumOf(segment);
  const footerAt = 28 + batchByteLength;
  return [
    [4, 'header: magic "MRWA"'],
    [2, "version 1"],
    [2, "unused"],
    [16, "flush id"],
    [4, `CRC-32C of bytes 0..23: ${sum(24)}`],
    [8, "body, one batch: base offset 0"],
    [4, `batch length ${batchByteLength - 12}, so the batch has ${batchByteLength} bytes`],
    [4, "leader epoch 0"],
    [1, "magic 2"],
    [4, `CRC-32C of the batch from its byte 21 on: ${sum(45)}`],
    [2, "attributes: no compression, CreateTime"],
    [4, "last offset delta 0"],
    [8, "base timestamp 1700000000000"],
    [8, "max timestamp 1700000000000"],
    [8, "producer id -1: not idempotent"],
    [2, "producer epoch -1"],
    [4, "base sequence -1"],
    [4, "record count 1"],
    [1, "record: 12 more bytes"],
    [1, "attributes"],
    [1, "timestamp delta 0"],
    [1, "offset delta 0"],
    [2, 'key, 1 byte: "k"'],
    [6, 'value, 5 bytes: "hello"'],
    [1, "no headers"],
    [16, "footer: flush id"],
    [4, "one part"],
    [16, "topic id"],
    [4, "partition 0"],
    [8, "position 28"],
    [4, `byte length ${batchByteLength}`],
    [4, "one batch"],
    [4, `CRC-32C of bytes 28..48, the batch's first 21: ${sum(footerAt + 56)}`],
    [8, `trailer: footer at ${footerAt}`],
    [4, "footer has 60 bytes"],
    [4, `CRC-32C of the footer: ${sum(footerAt + 72)}`],
    [4, `CRC-32C of the trailer's first 16 bytes: ${sum(footerAt + 76)}`],
    [4, 'magic "MRWE"'],
  ];
}

function openingFields({ opening }: WorkedExample): readonly Field[] {
  const sum = sumOf(opening);
  return [
    [4, 'magic "MRJ1"'],
    [4, "checksum before: 0, for this is the journal's first record"],
    ...envelopeFields(3),
    [1, "place-replicas"],
    [1, "one replica"],
    [1, "store 0"],
    ...envelopeFields(22),
    [1, "open"],
    [16, "topic id"],
    [1, "one partition"],
    [1, "partition 0"],
    [1, "replication factor 1"],
    [1, "min.insync.replicas 1"],
    [1, "as seen at record 3 of the cluster journal"],
    [4, `CRC-32C of bytes 0..${opening.byteLength - 5}: ${sum(opening.byteLength - 4)}`],
  ];
}

function appendFields({ append, segment, batchByteLength }: WorkedExample): readonly Field[] {
  const sum = sumOf(append);
  return [
    [4, 'magic "MRJ1"'],
    [4, `checksum before: ${sum(4)}, see below`],
    ...envelopeFields(append.byteLength - 41),
    [1, "append of an object"],
    [16, "flush id"],
    [1, "key of 64 bytes"],
    [64, "wal/0000472222/0123456789abcdef/000102030405060708090a0b0c0d0e0f"],
    [2, `object of ${segment.byteLength} bytes`],
    [1, "one copy"],
    [1, "in store 0"],
    [8, "base timestamp 1700000000000"],
    [1, "one topic"],
    [16, "topic id"],
    [1, "one part"],
    [1, "partition 0"],
    [1, "gap 28 (zigzag): the part begins at byte 28"],
    [1, "one batch"],
    [1, "flags: requires min.insync.replicas"],
    [1, `byte length ${batchByteLength}`],
    [1, "one offset"],
    [1, "max timestamp: base timestamp + 0"],
    [4, `CRC-32C of bytes 0..${append.byteLength - 5}: ${sum(append.byteLength - 4)}`],
  ];
}

function commitFields({ commit }: WorkedExample): readonly Field[] {
  const sum = sumOf(commit);
  return [
    [4, 'magic "MRJ1"'],
    [4, "checksum before: 0, for this is the journal's first record"],
    ...envelopeFields(commit.byteLength - 41),
    [1, "commit-offsets"],
    [1 + GROUP.length, `group id, ${GROUP.length} bytes: "${GROUP}"`],
    [1, "no member id"],
    [1, "no group instance id"],
    [4, "generation id -1: no member"],
    [1, "it may be a member epoch"],
    [1, "as seen at record 3 of the cluster journal"],
    [1, "one topic"],
    [16, "topic id"],
    [1, "one commit"],
    [1, "partition 0"],
    [8, "offset 1"],
    [4, "leader epoch 0"],
    [1, "no metadata"],
    [8, "expires when the broker's setting says"],
    [4, `CRC-32C of bytes 0..${commit.byteLength - 5}: ${sum(commit.byteLength - 4)}`],
  ];
}

function envelopeFields(bodyByteLength: number): readonly Field[] {
  return [
    [16, "command id"],
    [8, "proposed at 1700000000000"],
    [1, "kind 0: command of the state machine"],
    [4, `body of ${bodyByteLength} bytes`],
  ];
}

function sumOf(bytes: Uint8Array): (at: number) => string {
  const buffer = Buffer.from(bytes);
  return (at) => hex32(buffer.readUInt32BE(at));
}
