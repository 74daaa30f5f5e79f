import { ErrorCode } from "#lib/protocol/error-code.ts";
import { GROUP_MEMBER_BYTES_MAX } from "#lib/util/limits.ts";
import type { ConsumerHeartbeatCommand } from "../consumer-command.ts";
import { isTopicRegex } from "../topic-regex.ts";

/** ConsumerGroupHeartbeat; what the request does not mention is undefined, or -1 for the time-out. */
export interface ConsumerHeartbeatRequest
  extends Omit<ConsumerHeartbeatCommand, "kind" | "groupSizeMax" | "classicSizeMax" | "upgrade"> {
  /** v1 and above: members make their ids themselves (KIP-1082). */
  readonly makesOwnMemberId: boolean;
}

export interface RequestFault {
  readonly error: ErrorCode;
  readonly message: string | undefined;
}

const JOIN = 0;
const LEAVE_FOR_A_WHILE = -2;

/** What is wrong with a heartbeat whatever its group is, in Kafka's words; undefined if nothing is. */
export function consumerRequestFault(
  request: ConsumerHeartbeatRequest,
  assignors: readonly string[],
): RequestFault | undefined {
  const invalid = invalidRequest(request);
  if (invalid !== undefined) return { error: ErrorCode.INVALID_REQUEST, message: invalid };
  const { serverAssignor, subscribedTopicRegex: regex } = request;
  if (serverAssignor !== undefined && !assignors.includes(serverAssignor)) {
    const supported = assignors.join(", ");
    const message = `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${supported}.`;
    return { error: ErrorCode.UNSUPPORTED_ASSIGNOR, message };
  }
  if (regex !== undefined && regex !== "" && !isTopicRegex(regex)) {
    const message = `SubscribedTopicRegex \`${regex}\` is not a valid regular expression.`;
    return { error: ErrorCode.INVALID_REGULAR_EXPRESSION, message };
  }
  return undefined;
}

function invalidRequest(request: ConsumerHeartbeatRequest): string | undefined {
  const { groupId, memberId, memberEpoch, instanceId, rackId } = request;
  if (groupId.trim() === "") return "GroupId can't be empty.";
  if (instanceId?.trim() === "") return "InstanceId can't be empty.";
  if (rackId?.trim() === "") return "RackId can't be empty.";
  if (memberId.trim() === "" && (memberEpoch !== JOIN || request.makesOwnMemberId)) return "MemberId can't be empty.";
  if (memberEpoch < LEAVE_FOR_A_WHILE) return "MemberEpoch is invalid.";
  if (memberEpoch === LEAVE_FOR_A_WHILE && instanceId === undefined) return "InstanceId can't be null.";
  const subscribedLength = request.subscribedTopicNames?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  if (subscribedLength > GROUP_MEMBER_BYTES_MAX) return "SubscribedTopicNames are too long together.";
  return memberEpoch === JOIN ? invalidJoin(request) : undefined;
}

function invalidJoin(request: ConsumerHeartbeatRequest): string | undefined {
  const { rebalanceTimeoutMs, owned, subscribedTopicNames, subscribedTopicRegex } = request;
  if (rebalanceTimeoutMs === -1) return "RebalanceTimeoutMs must be provided in first request.";
  if (owned === undefined || owned.size > 0) return "TopicPartitions must be empty when (re-)joining.";
  if (subscribedTopicNames === undefined && subscribedTopicRegex === undefined) {
    return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
  }
  return undefined;
}
