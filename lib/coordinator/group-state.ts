import type { JournalSeq, Offset, TimestampMs, TopicId } from "#lib/util/branded.ts";
import type { ClassicGroup } from "./classic-group.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import type { ConsumerInstances } from "./consumer-instance.ts";

// The folded state of one group journal: every group that lives there, with its members and its committed offsets.
// Mutable on purpose and by the fold alone. What this folder is made of:
//
//   group-command.ts, group-outcome.ts        what can be asked of a group, and what the fold says to it
//   group-state.ts                            this file: the journal's groups and their offsets
//   member-types.ts                           what members of both protocols have
//   classic-group.ts, consumer-group.ts       members of the two protocols, with their state diagrams
//   group-state-machine.ts                    which fold takes which command
//   fold-classic-*.ts, classic-*.ts           JoinGroup, SyncGroup, Heartbeat, LeaveGroup and their time-outs
//   fold-consumer-*.ts, consumer-*.ts         ConsumerGroupHeartbeat (KIP-848), classic members of consumer groups
//   fold-offsets.ts, fold-groups.ts           committed offsets; deletion, expiry, dropped topics
//   consumer-instance.ts, *-instance*.ts      consumers over HTTP, whose clients keep nothing open
//   *-codec.ts                                commands, outcomes, snapshots
//   *-answers.ts                              pure reads: what a request is answered from the folded state
//
// A request becomes at most one command. The outcome says at once what the caller is to answer, but for what must wait
// for others: the round that a member joined (`JoinedOutcome.round`), the leader's assignments. Those waits live in a
// shell, and what it waits for is read from the state, so that any process can answer any waiting member.
//
//   request --> command --> journal --> fold --> outcome: refused, done              --> answer
//                                         |      outcome: joined round 17            --> wait for folds, then answer
//                                         v                                              from the state
//                                       state --> observers (any process): time-outs on their own monotonic clocks
//                                         ^                   |
//                                         +---- expiry that names what it saw (member m, last seen at record s)
//
// There is no Dead: a group without members and without offsets is absent once somebody expires or deletes it.

export interface GroupJournalState {
  /** Key: group id. Insertion order is part of the state. */
  readonly groups: Map<string, GroupState>;
  /** Rounds of rebalancing begun by all groups of this journal, so that no number ever means two rounds. */
  roundsBegun: number;
  /**
   * The highest cluster sequence number of any `drop-topic`: offsets from an older view of the cluster are refused, so no
   * stale view revives the offsets of a topic that is gone.
   */
  lastDropSeq: JournalSeq;
  readonly instances: ConsumerInstances;
}

export interface GroupState {
  readonly groupId: string;
  /**
   * The record that created it or changed its protocol. Conditional commands name it, for epochs begin anew with both: a
   * group of the same name that was deleted and came again is another one.
   */
  createdSeq: JournalSeq;
  /** The last record that changed who its members are, what they subscribe to, or its state. Offsets do not count. */
  changedSeq: JournalSeq;
  /** When its state (Empty, Stable, ...) changed last: `offsets.retention.minutes` of an empty group run from here. */
  stateSinceMs: TimestampMs;
  /**
   * Its members. A conversion between the protocols replaces it whole. A group that only holds offsets ("simple") is a
   * classic group in state Empty whose protocol type is empty.
   */
  membership: ClassicGroup | ConsumerGroup;
  /** No empty maps inside. Insertion order is part of the state. */
  readonly offsets: Map<TopicId, Map<number, CommittedOffset>>;
}

/** What a group has committed for one partition. Belongs to the topic's id: a topic made again starts afresh. */
export interface CommittedOffset {
  readonly offset: Offset;
  /** Of the last record consumed; -1 if the committer did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly committedAtMs: TimestampMs;
  /** Set by old clients that asked for a retention of their own (OffsetCommit v2-4); else -1. */
  readonly expiresAtMs: TimestampMs;
  /** The record that committed it. */
  readonly commitSeq: JournalSeq;
}

export function initialGroupJournalState(): GroupJournalState {
  return { groups: new Map(), roundsBegun: 0, lastDropSeq: 0, instances: new Map() };
}
