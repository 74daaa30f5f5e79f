import { expect, test } from "vitest";
import type { ClusterCommand, ConfigOperation } from "#lib/cluster/cluster-command.ts";
import { type ClusterState, initialClusterState } from "#lib/cluster/cluster-state.ts";
import {
  API_KEYS_FEATURE_LEVEL,
  clusterStateMachine,
  GROUP_CONFIGS_FEATURE_LEVEL,
} from "#lib/cluster/cluster-state-machine.ts";
import type { RequestedOperation } from "#lib/cluster/config-alteration.ts";
import { KeyAdmin } from "#lib/cluster/key-admin.ts";
import { FeatureLevelError } from "#lib/journal/journal-errors.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ByteReader } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { CONFIG_VALUE_LENGTH_MAX, GROUP_CONFIGS_MAX } from "#lib/util/limits.ts";
import { ClusterWorld, FOR_GOOD, NEVER, VALIDATE_ONLY } from "./cluster-harness.ts";

const SESSION = "consumer.session.timeout.ms";
const HEARTBEAT = "consumer.heartbeat.interval.ms";

const keeping = (...operations: RequestedOperation[]) => ({ replacesAll: false, operations });
const set = (key: string, value: string) => ({ kind: "set" as const, key, value });

function alterGroup(groupId: string, ...operations: ConfigOperation[]): ClusterCommand {
  return { kind: "alter-group-configs", groupId, alteration: { replacesAll: false, operations } };
}

function fold(state: ClusterState, command: ClusterCommand) {
  return clusterStateMachine.fold(state, command, { seq: 1, indexInRecord: 0, proposedAtMs: 1_000 });
}

function snapshotOf(state: ClusterState): Uint8Array {
  const writer = new ByteWriter();
  clusterStateMachine.encodeState(state, writer);
  return writer.toBytes();
}

async function start(options: Parameters<ClusterWorld["start"]>[0] = {}) {
  const world = new ClusterWorld();
  const process = await world.start(options);
  return { world, ...process, run: <T>(work: Promise<T>) => world.run(work) };
}

test("configs of a group are folded one by one, and gone with the last of them", () => {
  const state = initialClusterState();
  fold(state, alterGroup("g", set(SESSION, "50000"), set(HEARTBEAT, "6000")));
  fold(state, alterGroup("g", { kind: "delete", key: SESSION }));
  expect(state.groupConfigs).toEqual(new Map([["g", new Map([[HEARTBEAT, "6000"]])]]));
  const before = structuredClone(state);
  const tooLong = "x".repeat(CONFIG_VALUE_LENGTH_MAX + 1);
  const outcome = fold(state, alterGroup("g", { kind: "delete", key: HEARTBEAT }, set(SESSION, tooLong)));
  expect(outcome).toEqual({ kind: "refused", error: ErrorCode.INVALID_CONFIG, detail: SESSION });
  expect(state).toEqual(before);
  expect(fold(state, alterGroup("g", { kind: "delete", key: HEARTBEAT }))).toEqual({ kind: "done" });
  expect(state).toEqual(initialClusterState());
});

test("only so many groups have configs of their own, and those that have may change them", () => {
  const state = initialClusterState();
  for (let n = 0; n < GROUP_CONFIGS_MAX; n++) fold(state, alterGroup(`g${n}`, set(SESSION, "50000")));
  const refused = { kind: "refused", error: ErrorCode.POLICY_VIOLATION, detail: "groups" };
  expect(fold(state, alterGroup("another", set(SESSION, "50000")))).toEqual(refused);
  expect(fold(state, alterGroup("another", { kind: "delete", key: SESSION }))).toEqual({ kind: "done" });
  expect(fold(state, alterGroup("g0", set(SESSION, "51000")))).toEqual({ kind: "done" });
  expect(state.groupConfigs.size).toBe(GROUP_CONFIGS_MAX);
});

test("a snapshot keeps groups' configs in order; without any it is what it was at earlier feature levels", () => {
  const state = initialClusterState();
  const bare = snapshotOf(state);
  fold(state, alterGroup("b", set(SESSION, "50000")));
  fold(state, alterGroup("a", set(HEARTBEAT, "6000"), set(SESSION, "51000")));
  const full = snapshotOf(state);
  const restored = clusterStateMachine.decodeState(new ByteReader(full));
  expect(restored).toEqual(state);
  expect([...restored.groupConfigs.keys()]).toEqual(["b", "a"]);
  expect(snapshotOf(restored)).toEqual(full);
  fold(state, alterGroup("a", { kind: "delete", key: SESSION }, { kind: "delete", key: HEARTBEAT }));
  fold(state, alterGroup("b", { kind: "delete", key: SESSION }));
  expect(snapshotOf(state)).toEqual(bare);
});

test("a process of an earlier feature level stops where a group's configs begin, and says why", async () => {
  const { world, admin, run, journal } = await start();
  const old = await world.start({ featureLevel: API_KEYS_FEATURE_LEVEL });
  expect(await run(admin.alterGroupConfigs("g", keeping(set(SESSION, "50000")), VALIDATE_ONLY))).toEqual({
    kind: "done",
    value: undefined,
  });
  await run(old.journal.readBarrier(NEVER));
  expect(journal.featureLevel).toBe(1);
  await run(admin.alterGroupConfigs("g", keeping(set(SESSION, "50000")), FOR_GOOD));
  expect(journal.featureLevel).toBe(GROUP_CONFIGS_FEATURE_LEVEL);
  const failure = await run(old.journal.readBarrier(NEVER).catch((error: unknown) => error));
  expect(failure).toBeInstanceOf(FeatureLevelError);
  expect(failure).toMatchObject({ message: expect.stringMatching(/cluster.*feature level 3.*2/) });
});

test("keys need no higher feature level than they did", async () => {
  const { run, journal } = await start();
  const rights = [{ operation: "read" as const, pattern: "*" }];
  const key = { keyId: "k", secretHash: new Uint8Array(32), name: "n", rights, requestsPerSecond: 0 };
  await run(new KeyAdmin(journal).create({ ...key, expiresAtMs: undefined }, NEVER));
  expect(journal.featureLevel).toBe(API_KEYS_FEATURE_LEVEL);
});

test("other processes see what counts for a group, within the bounds of their own brokers", async () => {
  const { world, admin, run } = await start();
  await run(admin.alterGroupConfigs("g", keeping(set(SESSION, "60000")), FOR_GOOD));
  const startConfigs = new Map([["group.consumer.max.session.timeout.ms", "50000"]]);
  const stricter = await world.start({ startConfigs });
  const alike = await world.start();
  expect(alike.view.groupInteger("g", SESSION)).toBe(60_000);
  expect(stricter.view.groupInteger("g", SESSION)).toBe(50_000);
  expect(stricter.view.groupInteger("g", HEARTBEAT)).toBe(5_000);
  expect(stricter.view.groupInteger("other", SESSION)).toBe(45_000);
});

test("two alterations are checked together with what stands", async () => {
  const startConfigs = new Map([
    ["group.consumer.min.session.timeout.ms", "1000"],
    ["group.consumer.min.heartbeat.interval.ms", "1000"],
  ]);
  const { admin, run } = await start({ startConfigs });
  await run(admin.alterGroupConfigs("g", keeping(set(HEARTBEAT, "10000")), FOR_GOOD));
  expect(await run(admin.alterGroupConfigs("g", keeping(set(SESSION, "9000")), FOR_GOOD))).toEqual({
    kind: "refused",
    error: ErrorCode.INVALID_CONFIG,
    message: `${SESSION} must be greater than ${HEARTBEAT}`,
  });
  const both = keeping(set(SESSION, "9000"), set(HEARTBEAT, "3000"));
  expect(await run(admin.alterGroupConfigs("g", both, FOR_GOOD))).toMatchObject({ kind: "done" });
});
