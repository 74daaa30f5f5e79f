import type { TimestampType } from "#lib/record/record-batch.ts";
import { defined } from "#lib/util/assert.ts";
import { integerOf, listItems } from "./config-definition.ts";
import { type BrokerConfigLayers, topicConfigValue } from "./effective-configs.ts";
import { topicConfigDefinition } from "./topic-configs.ts";

/** A topic's effective configs as the write path and workers use them. Long values are capped at 2^53 - 1. */
export interface TopicSettings {
  /** Counts a whole batch, as it arrives. */
  readonly messageBytesMax: number;
  readonly timestampType: TimestampType;
  readonly timestampBeforeMaxMs: number;
  readonly timestampAfterMaxMs: number;
  readonly minInsyncReplicas: number;
  readonly compressionType: string;
  readonly isCompacted: boolean;
  readonly isDeleted: boolean;
  readonly minCleanableDirtyRatio: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
  readonly deleteRetentionMs: number;
  /** -1 for no limit, as in Kafka. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly segmentMs: number;
  readonly segmentBytes: number;
}

export function topicSettings(
  layers: BrokerConfigLayers,
  topic: { readonly configs: ReadonlyMap<string, string>; readonly replicationFactor: number },
): TopicSettings {
  const text = (name: string) => {
    const definition = defined(topicConfigDefinition(name), name);
    return defined(topicConfigValue(layers, topic, definition), name);
  };
  const integer = (name: string) => integerOf(text(name));
  const policies = listItems(text("cleanup.policy"));
  return {
    messageBytesMax: integer("max.message.bytes"),
    timestampType: text("message.timestamp.type") === "LogAppendTime" ? "LogAppendTime" : "CreateTime",
    timestampBeforeMaxMs: integer("message.timestamp.before.max.ms"),
    timestampAfterMaxMs: integer("message.timestamp.after.max.ms"),
    minInsyncReplicas: integer("min.insync.replicas"),
    compressionType: text("compression.type"),
    isCompacted: policies.includes("compact"),
    isDeleted: policies.includes("delete"),
    minCleanableDirtyRatio: Number(text("min.cleanable.dirty.ratio")),
    minCompactionLagMs: integer("min.compaction.lag.ms"),
    maxCompactionLagMs: integer("max.compaction.lag.ms"),
    deleteRetentionMs: integer("delete.retention.ms"),
    retentionMs: integer("retention.ms"),
    retentionBytes: integer("retention.bytes"),
    segmentMs: integer("segment.ms"),
    segmentBytes: integer("segment.bytes"),
  };
}
