import { ErrorCode } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { GROUP_CONFIGS_MAX, PARTITIONS_MAX, TOPICS_MAX } from "#lib/util/limits.ts";
import { type Refusal, refusal } from "./admin-result.ts";
import type { ClusterOutcome } from "./cluster-command.ts";
import { tooLongMessage } from "./topic-config-check.ts";
import { collisionMessage } from "./topic-names.ts";

/** What the fold's refusal of a command about `name` means for people. */
export function refusalOf(outcome: Extract<ClusterOutcome, { kind: "refused" }>, name: string): Refusal {
  const { error, detail } = outcome;
  switch (error) {
    case ErrorCode.TOPIC_ALREADY_EXISTS:
      return refusal(error, `Topic '${name}' already exists.`);
    case ErrorCode.INVALID_TOPIC_EXCEPTION:
      return refusal(error, collisionMessage(name, detail));
    case ErrorCode.INVALID_CONFIG:
      return refusal(error, tooLongMessage(detail));
    case ErrorCode.POLICY_VIOLATION:
      if (detail === "groups") {
        return refusal(error, `${GROUP_CONFIGS_MAX} groups have configs of their own, which is all that may.`);
      }
      return detail === "topics"
        ? refusal(error, `The cluster has ${TOPICS_MAX} topics, which is all it may have.`)
        : refusal(error, `The cluster would have more than ${PARTITIONS_MAX} partitions.`);
    default:
      return refusal(error, errorMessage(error));
  }
}
