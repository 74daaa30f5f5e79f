import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import type { DeleteTopicsRequest } from "#lib/protocol/messages/delete-topics.ts";
import { type Uuid, ZERO_UUID } from "#lib/util/branded.ts";
import { mapInChunks } from "#lib/util/in-chunks.ts";
import { ADMIN_ITEMS_AT_ONCE_MAX } from "#lib/util/limits.ts";
import {
  adminTimeLimit,
  errorOfRefusal,
  type ItemError,
  itemError,
  itemOrError,
  NO_ERROR,
  repeated,
} from "../admin-request.ts";
import type { BrokerServices } from "../broker-services.ts";
import { handler } from "../handler.ts";

// DeleteTopics v0-6.
// - The answer comes when the topic is gone from every journal; if one fails on the way, the topic is gone for clients
//   all the same, and its name is free later.
// - `delete.topic.enable=false`: TOPIC_DELETION_DISABLED, INVALID_REQUEST before v3.
// - A topic that is named twice is INVALID_REQUEST, once.
// v5 adds texts. v6 takes ids: one of name and id.

const FIRST_VERSION_WITH_DISABLED_ERROR = 3;

interface Wanted {
  readonly name: string | null;
  readonly topicId: Uuid;
}

export const deleteTopics = handler(Apis.DELETE_TOPICS, async (request, context, services) => {
  using limit = adminTimeLimit(request.timeoutMs, context, services);
  const wanted = wantedTopics(request, context.apiVersion);
  if (!services.cluster.brokerFlag("delete.topic.enable")) {
    const code =
      context.apiVersion < FIRST_VERSION_WITH_DISABLED_ERROR
        ? ErrorCode.INVALID_REQUEST
        : ErrorCode.TOPIC_DELETION_DISABLED;
    return { throttleTimeMs: 0, responses: wanted.map((each) => ({ ...each, ...itemError(code) })) };
  }
  // Names are looked up in the newest state: by an old one the topic might be gone, or another one's by now.
  const fresh = await itemOrError(services, async () => {
    await services.cluster.refresh(limit.signal);
    return NO_ERROR;
  });
  if (fresh !== NO_ERROR) return { throttleTimeMs: 0, responses: wanted.map((each) => ({ ...each, ...fresh })) };
  const faults = faultsOf(wanted, services);
  const distinct = [...new Map(wanted.map((each) => [keyOf(each), each])).values()];
  const responses = await mapInChunks(distinct, ADMIN_ITEMS_AT_ONCE_MAX, async (each) => {
    const fault = faults.get(keyOf(each));
    if (fault !== undefined) return { ...each, ...fault };
    const topic = find(each, services);
    if (topic === undefined) return { ...each, ...unknown(each) };
    const { name, topicId } = topic;
    const result = await itemOrError(services, () => services.topicAdmin.deleteTopic(topicId, limit.signal));
    if ("errorCode" in result) return { name, topicId, ...result };
    // Somebody else was faster.
    if (result.kind === "refused" && result.error === ErrorCode.UNKNOWN_TOPIC_ID) return { ...each, ...unknown(each) };
    return { name, topicId, ...(result.kind === "refused" ? errorOfRefusal(result) : NO_ERROR) };
  });
  return { throttleTimeMs: 0, responses };
});

/** From v6 on one list of either; before, a list of names. */
function wantedTopics(request: DeleteTopicsRequest, apiVersion: number): readonly Wanted[] {
  if (apiVersion >= 6) return request.topics;
  return request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
}

function find({ name, topicId }: Wanted, { cluster }: BrokerServices) {
  return name === null ? cluster.topic(topicId) : cluster.topicByName(name);
}

function keyOf({ name, topicId }: Wanted): string {
  return `${topicId}${name ?? ""}`;
}

/** What is wrong with the request itself, by `keyOf` the topic. */
function faultsOf(wanted: readonly Wanted[], services: BrokerServices): ReadonlyMap<string, ItemError> {
  const names = repeated(wanted.flatMap(({ name }) => (name === null ? [] : [name])));
  const ids = repeated(wanted.flatMap(({ topicId }) => (topicId === ZERO_UUID ? [] : [topicId])));
  // A name and an id may mean the same topic.
  const topics = repeated(wanted.map((each) => find(each, services)?.topicId));
  const faults = new Map<string, ItemError>();
  const invalid = (each: Wanted, message: string) =>
    faults.set(keyOf(each), itemError(ErrorCode.INVALID_REQUEST, message));
  for (const each of wanted) {
    const { name, topicId } = each;
    const found = find(each, services)?.topicId;
    if (name === null && topicId === ZERO_UUID) invalid(each, "Neither topic name nor id were specified.");
    else if (name !== null && topicId !== ZERO_UUID) invalid(each, "You may not specify both topic name and topic id.");
    else if (name !== null && names.has(name)) invalid(each, "Duplicate topic name.");
    else if (name === null && ids.has(topicId)) invalid(each, "Duplicate topic id.");
    else if (found !== undefined && topics.has(found)) {
      invalid(each, "The provided topic name maps to an ID that was already supplied.");
    }
  }
  return faults;
}

function unknown({ name }: Wanted): ItemError {
  return itemError(name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
}
