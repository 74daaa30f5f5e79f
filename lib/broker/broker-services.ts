import type { ClusterView } from "#lib/cluster/cluster-view.ts";
import type { Elector } from "#lib/cluster/elector.ts";
import type { KeyAdmin } from "#lib/cluster/key-admin.ts";
import type { ProducerIds } from "#lib/cluster/producer-ids.ts";
import type { TopicAdmin } from "#lib/cluster/topic-admin.ts";
import type { GroupCoordinator } from "#lib/coordinator/shell/group-coordinator.ts";
import type { LostRecords } from "#lib/housekeeping/lost-records.ts";
import type { ReplicationStatus } from "#lib/housekeeping/replication/replication.ts";
import type { Appender, Fetcher, OffsetLister, PartitionDescriber, RecordDeleter } from "#lib/log/log-api.ts";
import type { LogJournals } from "#lib/log/log-journals.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { Logger } from "#lib/runtime/logger.ts";
import type { Random } from "#lib/runtime/random.ts";
import type { BrokerId, StoreId } from "#lib/util/branded.ts";
import type { FetchSessions } from "./fetch-sessions.ts";
import type { ReplicaNodes } from "./replica-nodes.ts";

/** A broker as Kafka clients are told of it. */
export interface BrokerIdentity {
  readonly brokerId: BrokerId;
  /** Kafka's cluster id: a UUID in text form. */
  readonly clusterId: string;
  readonly rack: string | null;
}

/** Everything that handlers work with. Assembled once by `assembleBroker`; handlers hold no state of their own. */
export interface BrokerServices {
  readonly identity: BrokerIdentity;
  /** Ids of the stores that replicas can live in, ascending; their number bounds `replication.factor`. */
  readonly storeIds: readonly StoreId[];
  readonly cluster: ClusterView;
  readonly journals: LogJournals;
  /** Who leads and who has replicas, as clients are told. */
  readonly nodes: ReplicaNodes;
  /** Left out where nobody elects. */
  readonly elector?: Pick<Elector, "electNow">;
  readonly lostRecords: Pick<LostRecords, "declareLost">;
  /** How the stores fare, as this process sees them. */
  readonly replication: ReplicationStatus;
  readonly topicAdmin: TopicAdmin;
  readonly keyAdmin: KeyAdmin;
  readonly producerIds: ProducerIds;
  readonly appender: Appender;
  readonly fetcher: Fetcher;
  readonly offsets: OffsetLister;
  readonly deleter: RecordDeleter;
  readonly describer: PartitionDescriber;
  readonly fetchSessions: FetchSessions;
  readonly groups: GroupCoordinator;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}
