import { ApiKey } from "#lib/protocol/api-key.ts";
import { type Api, Apis } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import { parseRequestHeader } from "#lib/protocol/request-header.ts";
import type { Fields, Infer } from "#lib/protocol/schema.ts";
import { type TopicId, ZERO_UUID } from "#lib/util/branded.ts";
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

/** What the checks need to know of the cluster; `ClusterView` is one. */
export interface KnownTopics {
  topic(topicId: TopicId): { readonly name: string } | undefined;
  topicByName(name: string): object | undefined;
  brokerFlag(name: "auto.create.topics.enable"): boolean;
  /** Folds what a strong read shows. */
  refresh(signal: AbortSignal): Promise<void>;
}

/** Looks topics up, and notes whether one of them is unknown to this process. */
class Names {
  readonly #topics: KnownTopics;
  hasMissed = false;

  constructor(topics: KnownTopics) {
    this.#topics = topics;
  }

  topicName(topicId: TopicId): string | undefined {
    const name = this.#topics.topic(topicId)?.name;
    this.hasMissed ||= name === undefined;
    return name;
  }

  /** Whether naming the topic in Metadata would make it. */
  wouldBeMade(name: string): boolean {
    if (!this.#topics.brokerFlag("auto.create.topics.enable")) return false;
    const isMissing = this.#topics.topicByName(name) === undefined;
    this.hasMissed ||= isMissing;
    return isMissing;
  }
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

/**
 * Where a request gives both name and id, both count. A topic that nobody knows has no name to look at: whatever the
 * answer is, it tells nothing.
 */
function ofTopics(operation: HttpOperation, topics: readonly NamedTopic[], names: Names): readonly Need[] {
  return topics.flatMap(({ name, topicId }) => {
    const found = topicId === ZERO_UUID ? undefined : names.topicName(topicId);
    return [name, found].flatMap((each) => (each ? [[operation, topicResource(each)] as const] : []));
  });
}

/** Every topic: no topic has this name, so only a right on all of them fits. */
const ANY_TOPIC = "*";

function describeEach(topicNames: readonly string[]): readonly Need[] {
  return topicNames.map((name) => ["describe", topicResource(name)]);
}

function ofGroups(groupIds: readonly string[]): readonly Need[] {
  return groupIds.map(ofGroup);
}

const FIRST_OFFSET_FETCH_OF_GROUPS = 8;
const FIRST_FIND_COORDINATOR_OF_KEYS = 4;

const RULES: ReadonlyMap<number, Rule> = new Map(
  [
    rule(Apis.API_VERSIONS, () => []),
    rule(Apis.METADATA, ({ topics, allowAutoTopicCreation }, names, version) => {
      if (topics === null || (version === 0 && topics.length === 0)) return [NEEDS_ADMIN];
      const made = topics.flatMap(({ name }) =>
        allowAutoTopicCreation && name && names.wouldBeMade(name) ? [name] : [],
      );
      return [...ofTopics("describe", topics, names), ...made.map((name) => ["create", topicResource(name)] as const)];
    }),
    rule(Apis.PRODUCE, ({ topicData }, names) => ofTopics("write", topicData, names)),
    rule(Apis.INIT_PRODUCER_ID, () => [["write", CLUSTER]]),
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
    rule(Apis.LIST_OFFSETS, ({ topics }) => describeEach(topics.map(({ name }) => name))),
    rule(Apis.OFFSET_FOR_LEADER_EPOCH, ({ topics }) => describeEach(topics.map(({ topic }) => topic))),
    rule(Apis.FIND_COORDINATOR, ({ key, coordinatorKeys }, _, version) =>
      ofGroups(version < FIRST_FIND_COORDINATOR_OF_KEYS ? [key] : coordinatorKeys),
    ),
    rule(Apis.JOIN_GROUP, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.SYNC_GROUP, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.HEARTBEAT, ({ groupId }) => [ofGroup(groupId)]),
    rule(Apis.LEAVE_GROUP, ({ groupId }) => [ofGroup(groupId)]),
    // An expression is matched with all topics, and what it finds is in the assignment.
    rule(Apis.CONSUMER_GROUP_HEARTBEAT, ({ groupId, subscribedTopicNames, subscribedTopicRegex }) => [
      ofGroup(groupId),
      ...describeEach(subscribedTopicNames ?? []),
      ...describeEach(subscribedTopicRegex ? [ANY_TOPIC] : []),
    ]),
    rule(Apis.OFFSET_COMMIT, ({ groupId, topics }, names) => [ofGroup(groupId), ...ofTopics("read", topics, names)]),
    rule(Apis.OFFSET_FETCH, ({ groupId, groups }, _, version) =>
      ofGroups(version < FIRST_OFFSET_FETCH_OF_GROUPS ? [groupId] : groups.map((each) => each.groupId)),
    ),
    rule(Apis.DESCRIBE_GROUPS, ({ groups }) => ofGroups(groups)),
    rule(Apis.CONSUMER_GROUP_DESCRIBE, ({ groupIds }) => ofGroups(groupIds)),
  ].map((each) => [each.api.apiKey, each] as const),
);

/** Fails with 403 unless the principal may send this request, and with `ProtocolError` if it cannot be read. */
export async function requireFrameAccess(
  principal: HttpPrincipal,
  frame: Uint8Array,
  topics: KnownTopics,
  signal: AbortSignal,
): Promise<void> {
  if (principal.may(...NEEDS_ADMIN)) return;
  const { header, body } = parseRequestHeader(frame);
  if (header.apiKey === ApiKey.API_VERSIONS) return;
  const names = new Names(topics);
  const needsNow = () => RULES.get(header.apiKey)?.needs(body, header.apiVersion, names) ?? [NEEDS_ADMIN];
  let needs = needsNow();
  if (names.hasMissed) {
    // Who answers the request looks again: what others have made meanwhile counts here too.
    await topics.refresh(signal);
    needs = needsNow();
  }
  for (const [operation, resource] of needs) requireAccess(principal, operation, resource);
}
