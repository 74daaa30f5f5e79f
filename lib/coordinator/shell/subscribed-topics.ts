import { CONSUMER_PROTOCOL_TYPE, decodeSubscribedTopics } from "#lib/protocol/consumer-protocol.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import type { ClassicGroup } from "../classic-group.ts";
import type { ConsumerGroup } from "../consumer-group.ts";
import type { GroupState } from "../group-state.ts";

const NONE: ReadonlySet<string> = new Set();

/**
 * Names of the topics that the group's members read. Empty, as on Kafka, for a classic group that has not agreed on a
 * protocol yet or one of whose members says something that cannot be read.
 */
export function subscribedTopics({ membership }: GroupState): ReadonlySet<string> {
  return membership.type === "consumer" ? ofConsumers(membership) : ofClassicMembers(membership);
}

function ofClassicMembers(group: ClassicGroup): ReadonlySet<string> {
  if (group.protocolType !== CONSUMER_PROTOCOL_TYPE || group.protocolName === undefined) return NONE;
  const names = new Set<string>();
  for (const { protocols } of group.members.values()) {
    const metadata = protocols.find(({ name }) => name === group.protocolName)?.metadata;
    if (metadata === undefined) continue;
    try {
      for (const name of decodeSubscribedTopics(metadata)) names.add(name);
    } catch (error) {
      if (error instanceof ProtocolError) return NONE;
      throw error;
    }
  }
  return names;
}

function ofConsumers(group: ConsumerGroup): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { subscribedTopicNames } of group.members.values())
    for (const name of subscribedTopicNames) names.add(name);
  for (const topicNames of group.resolvedRegexes.values()) for (const name of topicNames) names.add(name);
  return names;
}
