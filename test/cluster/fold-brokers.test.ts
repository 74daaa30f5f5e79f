import { describe, expect, test } from "vitest";
import type { RegisterBrokerCommand } from "#lib/cluster/broker-command.ts";
import type { ClusterCommand, ClusterOutcome } from "#lib/cluster/cluster-command.ts";
import { type ClusterState, initialClusterState } from "#lib/cluster/cluster-state.ts";
import { clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { foldCluster } from "#lib/cluster/fold-cluster.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { BROKER_ENDPOINTS_MAX, BROKERS_MAX } from "#lib/util/limits.ts";
import { topicIdOf as incarnationOf } from "./cluster-harness.ts";

const ENDPOINT = { name: "PLAINTEXT", host: "127.0.0.1", port: 9092 };
const DONE = { kind: "done" };

function register(incarnation: number, fields: Partial<RegisterBrokerCommand> = {}): RegisterBrokerCommand {
  return {
    kind: "register-broker",
    brokerId: 1,
    incarnation: incarnationOf(incarnation),
    storeId: 1,
    rack: null,
    endpoints: [ENDPOINT],
    replaces: undefined,
    ...fields,
  };
}

const heartbeat = (brokerEpoch: number) => ({ kind: "broker-heartbeat", brokerId: 1, brokerEpoch }) as const;
const stop = (brokerEpoch: number) => ({ kind: "stop-broker", brokerId: 1, brokerEpoch }) as const;
const fence = (brokerEpoch: number, seenSeq: number) =>
  ({ kind: "fence-broker", brokerId: 1, brokerEpoch, seenSeq }) as const;
const refused = (error: ErrorCode, detail = "") => ({ kind: "refused", error, detail });
const stale = (incarnation: number) => refused(ErrorCode.STALE_BROKER_EPOCH, incarnationOf(incarnation));
const registered = (brokerEpoch: number) => ({ kind: "registered", brokerEpoch });

/** Folds the commands as records 1, 2 and so on. */
function fold(commands: readonly ClusterCommand[], state: ClusterState = initialClusterState()) {
  const outcomes: ClusterOutcome[] = commands.map((command, at) =>
    foldCluster(state, command, { seq: at + 1, indexInRecord: 0, proposedAtMs: 1_000 }),
  );
  return { state, outcomes, broker: state.brokers.get(1) };
}

describe("a broker", () => {
  test("runs under the number of the record that registered it", () => {
    const { broker, outcomes } = fold([register(1, { rack: "a" })]);
    expect(outcomes).toEqual([registered(1)]);
    expect(broker).toEqual({
      ...{ brokerId: 1, incarnation: incarnationOf(1), brokerEpoch: 1, seenSeq: 1, status: "running" },
      ...{ storeId: 1, rack: "a", endpoints: [ENDPOINT] },
    });
  });

  test("that registers again for want of an answer keeps its epoch", () => {
    const { broker, outcomes } = fold([register(1), register(1)]);
    expect(outcomes).toEqual([registered(1), registered(1)]);
    expect(broker).toMatchObject({ brokerEpoch: 1, seenSeq: 2, status: "running" });
  });

  test("is moved on by heartbeats of its own epoch alone", () => {
    const { broker, outcomes } = fold([register(1), heartbeat(1), heartbeat(2)]);
    expect(outcomes.slice(1)).toEqual([DONE, stale(1)]);
    expect(broker).toMatchObject({ brokerEpoch: 1, seenSeq: 2 });
  });

  test("is fenced as it was seen, not after another sign of life", () => {
    const { broker, outcomes } = fold([register(1), heartbeat(1), fence(1, 1), fence(1, 2), fence(1, 2)]);
    expect(outcomes.slice(2)).toEqual([stale(1), DONE, DONE]);
    expect(broker?.status).toBe("fenced");
  });

  test("that was fenced runs again with its next heartbeat", () => {
    const { broker, outcomes } = fold([register(1), fence(1, 1), heartbeat(1)]);
    expect(outcomes.slice(1)).toEqual([DONE, DONE]);
    expect(broker).toMatchObject({ brokerEpoch: 1, seenSeq: 3, status: "running" });
  });

  test("that has stopped never comes back", () => {
    const commands = [register(1), stop(1), heartbeat(1), fence(1, 1), register(1), stop(1)];
    const { broker, outcomes } = fold(commands);
    expect(outcomes.slice(1)).toEqual([DONE, stale(1), stale(1), stale(1), DONE]);
    expect(broker?.status).toBe("stopped");
  });

  test("nobody knows takes no commands", () => {
    const { outcomes } = fold([heartbeat(1), fence(1, 1), stop(1)]);
    expect(outcomes).toEqual(Array(3).fill(refused(ErrorCode.BROKER_ID_NOT_REGISTERED)));
  });

  test("comes back from a snapshot as it was, whatever its status", () => {
    const { state } = fold([
      register(1, { rack: "a" }),
      register(2, { brokerId: 7, endpoints: [] }),
      register(3, { brokerId: 3 }),
      { ...stop(2), brokerId: 7 },
      { ...fence(3, 3), brokerId: 3 },
    ]);
    const writer = new ByteWriter();
    clusterStateMachine.encodeState(state, writer);
    const restored = clusterStateMachine.decodeState(new ByteReader(writer.toBytes()));
    expect([...restored.brokers.values()]).toEqual([...state.brokers.values()]);
    expect([...restored.brokers.values()].map(({ status }) => status)).toEqual(["running", "stopped", "fenced"]);
  });
});

describe("another start under the same id", () => {
  const inUse = refused(ErrorCode.DUPLICATE_BROKER_REGISTRATION, incarnationOf(1));

  test("is refused while the broker runs", () => {
    const { broker, outcomes } = fold([register(1), register(2)]);
    expect(outcomes[1]).toEqual(inUse);
    expect(broker?.incarnation).toBe(incarnationOf(1));
  });

  test.each([
    ["fenced", fence(1, 1)],
    ["stopped", stop(1)],
  ])("takes the place of a broker that is %s", (_, end) => {
    const { broker, outcomes } = fold([register(1), end, register(2), heartbeat(1), fence(1, 1), stop(1)]);
    expect(outcomes.slice(2)).toEqual([registered(3), stale(2), stale(2), stale(2)]);
    expect(broker).toMatchObject({ incarnation: incarnationOf(2), status: "running" });
  });

  test("takes the place of the running broker that it names, if that has not moved", () => {
    const moved = register(2, { replaces: { brokerEpoch: 1, seenSeq: 1 } });
    const named = register(2, { replaces: { brokerEpoch: 1, seenSeq: 2 } });
    const { outcomes } = fold([register(1), heartbeat(1), moved, named]);
    expect(outcomes.slice(2)).toEqual([inUse, registered(4)]);
  });
});

test("listeners and broker ids have limits, and an id that stands may always be taken again", () => {
  const endpoints = Array(BROKER_ENDPOINTS_MAX + 1).fill(ENDPOINT);
  expect(fold([register(1, { endpoints })]).outcomes).toEqual([refused(ErrorCode.INVALID_REQUEST)]);
  const all = Array.from({ length: BROKERS_MAX }, (_, brokerId) => register(1, { brokerId }));
  const { state } = fold([...all, stop(2)]);
  const { outcomes } = fold([register(1, { brokerId: BROKERS_MAX }), register(2)], state);
  expect(outcomes).toEqual([refused(ErrorCode.POLICY_VIOLATION, "brokers"), registered(2)]);
});
