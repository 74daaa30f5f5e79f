import { decodeList, decodeTopicId, encodeTopicId } from "#lib/log/codec-fields.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type {
  CommitOffsetsCommand,
  CommitPartition,
  DeleteOffsetsCommand,
  ExpireOffsetsCommand,
} from "./group-command.ts";
import { decodeFlag, decodeOptionalText, encodeFlag, encodeList, encodeOptionalText } from "./group-fields.ts";

// Commands about offsets, after kind and group id (group-command-codec.ts). Shared fields: group-fields.ts.
//
//   commit    memberId text, groupInstanceId optional text, generationIdOrMemberEpoch int32, knowsMemberEpochs uint8,
//             clusterSeq uvarint, topics list of { topicId 16 bytes, partitions list of partition }
//   partition partitionIndex uvarint, offset int64, leaderEpoch int32, metadata text, expiresAtMs int64
//   delete    changedSeq uvarint, partitions list of { topicId 16 bytes, partitionIndex uvarint }
//   expire    changedSeq uvarint, partitions list of { topicId 16 bytes, partitionIndex uvarint, commitSeq uvarint }

export function encodeCommitOffsets(command: CommitOffsetsCommand, writer: ByteWriter): void {
  writer.text(command.memberId);
  encodeOptionalText(command.groupInstanceId, writer);
  writer.int32(command.generationIdOrMemberEpoch);
  encodeFlag(command.knowsMemberEpochs, writer);
  writer.uvarint(command.clusterSeq);
  encodeList(command.topics, writer, ({ topicId, partitions }) => {
    encodeTopicId(topicId, writer);
    encodeList(partitions, writer, (partition) => {
      writer.uvarint(partition.partitionIndex).int64(partition.offset).int32(partition.leaderEpoch);
      writer.text(partition.metadata).int64(partition.expiresAtMs);
    });
  });
}

export function decodeCommitOffsets(groupId: string, reader: ByteReader): CommitOffsetsCommand {
  return {
    kind: "commit-offsets",
    groupId,
    memberId: reader.text(),
    groupInstanceId: decodeOptionalText(reader),
    generationIdOrMemberEpoch: reader.int32(),
    knowsMemberEpochs: decodeFlag(reader),
    clusterSeq: reader.uvarint(),
    topics: decodeList(reader, () => {
      const topicId = decodeTopicId(reader);
      return { topicId, partitions: decodeList(reader, () => decodeCommitPartition(reader)) };
    }),
  };
}

function decodeCommitPartition(reader: ByteReader): CommitPartition {
  const partitionIndex = reader.uvarint();
  const offset = reader.int64();
  const leaderEpoch = reader.int32();
  const metadata = reader.text();
  return { partitionIndex, offset, leaderEpoch, metadata, expiresAtMs: reader.int64() };
}

export function encodeDeleteOffsets(command: DeleteOffsetsCommand, writer: ByteWriter): void {
  writer.uvarint(command.changedSeq);
  encodeList(command.partitions, writer, ({ topicId, partitionIndex }) => {
    encodeTopicId(topicId, writer);
    writer.uvarint(partitionIndex);
  });
}

export function decodeDeleteOffsets(groupId: string, reader: ByteReader): DeleteOffsetsCommand {
  const changedSeq = reader.uvarint();
  const partitions = decodeList(reader, () => {
    const topicId = decodeTopicId(reader);
    return { topicId, partitionIndex: reader.uvarint() };
  });
  return { kind: "delete-offsets", groupId, changedSeq, partitions };
}

export function encodeExpireOffsets(command: ExpireOffsetsCommand, writer: ByteWriter): void {
  writer.uvarint(command.changedSeq);
  encodeList(command.partitions, writer, ({ topicId, partitionIndex, commitSeq }) => {
    encodeTopicId(topicId, writer);
    writer.uvarint(partitionIndex).uvarint(commitSeq);
  });
}

export function decodeExpireOffsets(groupId: string, reader: ByteReader): ExpireOffsetsCommand {
  const changedSeq = reader.uvarint();
  const partitions = decodeList(reader, () => {
    const topicId = decodeTopicId(reader);
    const partitionIndex = reader.uvarint();
    return { topicId, partitionIndex, commitSeq: reader.uvarint() };
  });
  return { kind: "expire-offsets", groupId, changedSeq, partitions };
}
