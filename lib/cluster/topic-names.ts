/** Characters; a partition's directory in Kafka is the topic's name and `-` and the partition, 255 at most. */
const TOPIC_NAME_LENGTH_MAX = 249;

/**
 * What is wrong with a topic's name, in Kafka's words (org.apache.kafka.common.internals.Topic); undefined if nothing is.
 * Goes with INVALID_TOPIC_EXCEPTION.
 */
export function topicNameFault(name: string): string | undefined {
  if (name === "") return "Topic name is invalid: the empty string is not allowed";
  if (name === "." || name === "..") return `Topic name is invalid: '${name}' is not allowed`;
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    // The name itself is left out of the text beyond its limit: an answer need not carry 32 KB back.
    const shown = `${name.slice(0, TOPIC_NAME_LENGTH_MAX)}…`;
    return `Topic name is invalid: the length of '${shown}' is longer than the max allowed length ${TOPIC_NAME_LENGTH_MAX}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
  }
  return undefined;
}

/** Two names that differ only in `.` and `_` would be one in metrics; Kafka refuses the second. */
export function collisionMessage(name: string, standing: string): string {
  return `Topic '${name}' collides with existing topic: ${standing}`;
}
