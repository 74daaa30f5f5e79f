import type { FoldContext } from "#lib/journal/state-machine.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { BROKER_ENDPOINTS_MAX, BROKERS_MAX } from "#lib/util/limits.ts";
import type {
  BrokerHeartbeatCommand,
  FenceBrokerCommand,
  RegisterBrokerCommand,
  SeenBroker,
  StopBrokerCommand,
} from "./broker-command.ts";
import type { BrokerState } from "./broker-state.ts";
import type { ClusterOutcome } from "./cluster-command.ts";
import type { ClusterState } from "./cluster-state.ts";
import { refused } from "./fold-topics.ts";

const DONE: ClusterOutcome = { kind: "done" };

export function foldRegisterBroker(
  state: ClusterState,
  command: RegisterBrokerCommand,
  { seq }: FoldContext,
): ClusterOutcome {
  const { brokerId, incarnation, storeId, rack, endpoints, replaces } = command;
  const standing = state.brokers.get(brokerId);
  if (standing?.incarnation === incarnation) return registerAgain(standing, seq);
  if (standing?.status === "running" && !isAsSeen(standing, replaces)) {
    return refused(ErrorCode.DUPLICATE_BROKER_REGISTRATION, standing.incarnation);
  }
  if (endpoints.length > BROKER_ENDPOINTS_MAX) return refused(ErrorCode.INVALID_REQUEST);
  if (standing === undefined && state.brokers.size >= BROKERS_MAX)
    return refused(ErrorCode.POLICY_VIOLATION, "brokers");
  const broker: BrokerState = {
    brokerId,
    incarnation,
    storeId,
    rack,
    endpoints,
    brokerEpoch: seq,
    seenSeq: seq,
    status: "running",
  };
  state.brokers.set(brokerId, broker);
  return { kind: "registered", brokerEpoch: seq };
}

export function foldBrokerHeartbeat(
  state: ClusterState,
  command: BrokerHeartbeatCommand,
  { seq }: FoldContext,
): ClusterOutcome {
  const broker = state.brokers.get(command.brokerId);
  if (broker === undefined) return refused(ErrorCode.BROKER_ID_NOT_REGISTERED);
  if (broker.brokerEpoch !== command.brokerEpoch || broker.status === "stopped") return stale(broker);
  broker.seenSeq = seq;
  broker.status = "running";
  return DONE;
}

export function foldFenceBroker(state: ClusterState, command: FenceBrokerCommand): ClusterOutcome {
  const broker = state.brokers.get(command.brokerId);
  if (broker === undefined) return refused(ErrorCode.BROKER_ID_NOT_REGISTERED);
  if (!isAsSeen(broker, command) || broker.status === "stopped") return stale(broker);
  broker.status = "fenced";
  return DONE;
}

export function foldStopBroker(state: ClusterState, command: StopBrokerCommand): ClusterOutcome {
  const broker = state.brokers.get(command.brokerId);
  if (broker === undefined) return refused(ErrorCode.BROKER_ID_NOT_REGISTERED);
  if (broker.brokerEpoch !== command.brokerEpoch) return stale(broker);
  broker.status = "stopped";
  return DONE;
}

/** Whoever did not hear of its first registration's outcome sends another one. A late one revives no broker that ended. */
function registerAgain(broker: BrokerState, seq: number): ClusterOutcome {
  if (broker.status === "stopped") return stale(broker);
  broker.seenSeq = seq;
  broker.status = "running";
  return { kind: "registered", brokerEpoch: broker.brokerEpoch };
}

function isAsSeen(broker: BrokerState, seen: SeenBroker | undefined): boolean {
  return broker.brokerEpoch === seen?.brokerEpoch && broker.seenSeq === seen.seenSeq;
}

function stale(broker: BrokerState): ClusterOutcome {
  return refused(ErrorCode.STALE_BROKER_EPOCH, broker.incarnation);
}
