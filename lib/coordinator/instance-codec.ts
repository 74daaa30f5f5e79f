import { decodeList, decodeTopicId, encodeTopicId } from "#lib/log/codec-fields.ts";
import type { ByteReader } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type { ConsumerInstance, ConsumerInstances } from "./consumer-instance.ts";
import { decodeFlag, encodeFlag, encodeList } from "./group-fields.ts";
import {
  decodeInstanceConfig,
  decodeInstanceSubscription,
  encodeInstanceConfig,
  encodeInstanceSubscription,
} from "./instance-fields.ts";

// Consumer instances in a snapshot, behind the groups. Shared fields: instance-fields.ts, group-fields.ts.
//
//   instances  list of { groupId text, list of instance }
//   instance   instanceId text, config, createdAtMs int64, createdSeq uvarint, subscription,
//              positions list of { topicId 16 bytes, list of { partitionIndex uvarint, offset int64 } },
//              deliveries uvarint, hasUncommitted uint8, version uvarint, seenSeq uvarint

export function encodeInstances(instances: ConsumerInstances, writer: ByteWriter): void {
  encodeList([...instances], writer, ([groupId, ofGroup]) => {
    writer.text(groupId);
    encodeList([...ofGroup.values()], writer, (instance) => encodeInstance(instance, writer));
  });
}

function encodeInstance(instance: ConsumerInstance, writer: ByteWriter): void {
  encodeInstanceConfig(instance.config, writer.text(instance.instanceId));
  writer.int64(instance.createdAtMs).uvarint(instance.createdSeq);
  encodeInstanceSubscription(instance.subscription, writer);
  encodeList([...instance.positions], writer, ([topicId, positions]) => {
    encodeTopicId(topicId, writer);
    encodeList([...positions], writer, ([partition, offset]) => writer.uvarint(partition).int64(offset));
  });
  encodeFlag(instance.hasUncommitted, writer.uvarint(instance.deliveries));
  writer.uvarint(instance.version).uvarint(instance.seenSeq);
}

export function decodeInstances(reader: ByteReader): ConsumerInstances {
  return new Map(
    decodeList(reader, () => {
      const groupId = reader.text();
      const ofGroup = decodeList(reader, () => decodeInstance(groupId, reader));
      return [groupId, new Map(ofGroup.map((instance) => [instance.instanceId, instance]))] as const;
    }),
  );
}

function decodeInstance(groupId: string, reader: ByteReader): ConsumerInstance {
  return {
    groupId,
    instanceId: reader.text(),
    config: decodeInstanceConfig(reader),
    createdAtMs: reader.int64(),
    createdSeq: reader.uvarint(),
    subscription: decodeInstanceSubscription(reader),
    positions: new Map(decodeList(reader, () => [decodeTopicId(reader), decodePositions(reader)] as const)),
    deliveries: reader.uvarint(),
    hasUncommitted: decodeFlag(reader),
    version: reader.uvarint(),
    seenSeq: reader.uvarint(),
  };
}

function decodePositions(reader: ByteReader): Map<number, number> {
  return new Map(decodeList(reader, () => [reader.uvarint(), reader.int64()] as const));
}
