import type { TopicId } from "#lib/util/branded.ts";
import { topicIdOf } from "../../coordinator/group-fixtures.ts";

/** What the members of all groups read. */
export const TOPIC_NAME = "orders";
export const TOPIC_ID = topicIdOf(1);

/** Nobody subscribes to it, yet members commit offsets for it: these outlive their retention while the group lives. */
export const AUDIT_NAME = "audit";
export const AUDIT_ID = topicIdOf(2);

export const NAMES_BY_ID: ReadonlyMap<TopicId, string> = new Map([
  [TOPIC_ID, TOPIC_NAME],
  [AUDIT_ID, AUDIT_NAME],
]);
