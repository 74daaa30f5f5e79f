import type { TopicId } from "#lib/util/branded.ts";
import type { TopicsView } from "../consumer-target.ts";

/** What groups need to know of the cluster: its topics, and configs by Kafka's names. */
export interface GroupTopics {
  brokerInteger(name: string): number;
  /** A config as it counts for one consumer group, such as `consumer.session.timeout.ms`. */
  groupInteger(groupId: string, name: string): number;
  /** A broker config whose values are separated by commas, or one text. */
  brokerList(name: string): readonly string[];
  /** The topics as this process sees them now. */
  view(): TopicsView;
  nameOf(topicId: TopicId): string | undefined;
  /** Looks now and then for what other processes have changed, without waiting for it. */
  freshen(): void;
  /** Takes in what other processes have changed. */
  catchUp(signal: AbortSignal): Promise<void>;
}
