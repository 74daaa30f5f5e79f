import { ApiKey } from "#lib/protocol/api-key.ts";
import { type Api, Apis } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import { parseRequestHeader } from "#lib/protocol/request-header.ts";
import type { Fields, Infer } from "#lib/protocol/schema.ts";
import type { TopicId } from "#lib/util/branded.ts";
import {
  CLUSTER,
  groupResource,
  type HttpOperation,
  type HttpPrincipal,
  type HttpResource,
  requireAccess,
  topicResource,
} from "./access.ts";

// What a request in Kafka's protocol asks of the rights of a key. What is not listed here changes the cluster or shows
// all of it, and needs the right `admin`.

type Need = readonly [operation: HttpOperation, resource: HttpResource];

interface Names {
  topicName(topicId: TopicId): string | undefined;
}

interface Rule {
  readonly api: Api;
  needs(body: Uint8Array, version: number, names: Names): readonly Need[];
}

function rule<Q extends Fields>(
  api: Api<Q>,
  needs: (request: Infer<Q>, names: Names, version: number) => readonly Need[],
): Rule {
  return { api, needs: (body, version, names) => needs(decode(api.request, version, body), names, version) };
}

const NEEDS_ADMIN: Need = ["alter", CLUSTER];
const ofGroup = (groupId: string): Need => ["read", groupResource(groupId)];

interface NamedTopic {
  readonly name: string | null;
  /** Of the versions that name topics by their ids; else the zero id. */
  readonly topicId: TopicId;
}

/** A topic that nobody knows has no name to look at: whatever the answer is, it tells nothing. */
function ofTopics(operation: HttpOperation, topics: readonly NamedTopic[], names: Names): readonly Need[] {
  return topics.flatMap(({ name, topicId }) => {
    const known = name || names.topicName(topicId);
    return known === undefined ? [] : [[operation, topicResource(known)] as const];
  });
}

const RULES: ReadonlyMap<number, Rule> = new Map(
  [
    rule(Apis.API_VERSIONS, () => []),
    rule(Apis.METADATA, ({ topics }, names, version) => {
      const asksForAll = topics === null || (version === 0 && topics.length === 0);
      return asksForAll ? [NEEDS_ADMIN] : ofTopics("describe", topics, names);
    }),
    rule(Apis.PRODUCE, ({ topicData }, names) => ofTopics("write", topicData, names)),
    rule(Apis.INIT_PRODUCER_ID, () => [["describe", CLUSTER]]),
    // A session would go on with topics that an earlier request has named.
    rule(Apis.FETCH, ({ topics, sessionEpoch }, names) =>
      sessionEpoch > 0
        ? [NEEDS_ADMIN]
        : ofTopics(
            "read",
            topics.map(({ topic: name, topicId }) => ({ name, topicId })),
            names,
          ),
    ),
    rule(Apis.LIST_OFFSETS, ({ topics }) => topics.map(({ name }) => ["describe", topicResource(name)] as const)),
    rule(Apis.OFFSET_FOR_LEADER_EPOCH, ({ topics }) =>
      topics.map(({ topic }) => ["describe", topicResource(topic)] as const),
    ),
    rule(Apis.FIND_COORDINATOR, ({ key, coordinatorKeys }) =>
      [key, ...coordinatorKeys].filter((id) => id).map(ofGroup),
    ),
    rule(Apis.JOIN_GROUP, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.SYNC_GROUP, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.HEARTBEAT, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.LEAVE_GROUP, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.CONSUMER_GROUP_HEARTBEAT, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.OFFSET_COMMIT, ({ groupId, topics }, names) => [ofGroup(groupId), ...ofTopics("read", topics, names)]),
    rule(Apis.OFFSET_FETCH, ({ groupId, groups }) =>
      [groupId, ...groups.map((each) => each.groupId)].filter((id) => id).map(ofGroup),
    ),
    rule(Apis.DESCRIBE_GROUPS, ({ groups }) => groups.map(ofGroup)),
    rule(Apis.CONSUMER_GROUP_DESCRIBE, ({ groupIds }) => groupIds.map(ofGroup)),
  ].map((each) => [each.api.apiKey, each] as const),
);

/** Fails with 403 unless the principal may send this request, and with `ProtocolError` if it cannot be read. */
export function requireFrameAccess(principal: HttpPrincipal, frame: Uint8Array, names: Names): void {
  if (principal.may(...NEEDS_ADMIN)) return;
  const { header, body } = parseRequestHeader(frame);
  if (header.apiKey === ApiKey.API_VERSIONS) return;
  const needs = RULES.get(header.apiKey)?.needs(body, header.apiVersion, names) ?? [NEEDS_ADMIN];
  for (const [operation, resource] of needs) requireAccess(principal, operation, resource);
}
