import { brokerConfigDefinition } from "#lib/cluster/broker-configs.ts";
import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import type { ClusterView, Topic } from "#lib/cluster/cluster-view.ts";
import type { TopicsView } from "#lib/coordinator/consumer-target.ts";
import type { GroupTopics } from "#lib/coordinator/shell/group-topics.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import { defined } from "#lib/util/assert.ts";
import type { TopicId } from "#lib/util/branded.ts";
import { GROUP_TOPICS_SPACING_MS } from "#lib/util/limits.ts";

/** The cluster as consumer groups see it. */
export class ClusterGroupTopics implements GroupTopics {
  readonly #cluster: ClusterView;
  readonly #journal: ClusterJournal;
  readonly #options: { readonly clock: Clock; readonly signal: AbortSignal };
  #topics: readonly Topic[] = [];
  #names: readonly string[] = [];
  #freshAtMs: number;

  constructor(
    cluster: ClusterView,
    journal: ClusterJournal,
    options: { readonly clock: Clock; readonly signal: AbortSignal },
  ) {
    this.#cluster = cluster;
    this.#journal = journal;
    this.#options = options;
    this.#freshAtMs = options.clock.monotonicMs();
  }

  brokerInteger(name: string): number {
    return this.#cluster.brokerInteger(name);
  }

  groupInteger(groupId: string, name: string): number {
    return this.#cluster.groupInteger(groupId, name);
  }

  brokerList(name: string): readonly string[] {
    const { value } = this.#cluster.brokerConfig(defined(brokerConfigDefinition(name), name));
    return (value ?? "").split(",").map((each) => each.trim());
  }

  view(): TopicsView {
    const topics = this.#cluster.topics();
    if (topics !== this.#topics) {
      this.#topics = topics;
      this.#names = topics.map(({ name }) => name);
    }
    return {
      clusterSeq: this.#journal.seq,
      names: this.#names,
      topic: (name) => this.#cluster.topicByName(name),
    };
  }

  nameOf(topicId: TopicId): string | undefined {
    return this.#cluster.topic(topicId)?.name;
  }

  freshen(): void {
    const { clock, signal } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#freshAtMs < GROUP_TOPICS_SPACING_MS) return;
    this.#freshAtMs = nowMs;
    // What fails is tried again before long, and nobody waits for it.
    this.#journal.catchUp(signal).catch(() => undefined);
  }

  catchUp(signal: AbortSignal): Promise<void> {
    return this.#journal.catchUp(signal);
  }
}
