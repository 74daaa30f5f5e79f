import { expect, test } from "vitest";
import { InstanceCalls } from "#lib/coordinator/shell/instance-calls.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { ConsumerWorld } from "./consumer-world.ts";
import type { HttpWorld } from "./http-world.ts";

const CONFIG = {
  format: "json",
  autoOffsetReset: "earliest",
  autoCommit: true,
  readCommitted: false,
  fetchBytesMin: 1,
  requestTimeoutMs: 0,
  timeoutMs: 300_000,
} as const;

test("a journal has so many instances and no more, and who says so has looked", async () => {
  await using world = await ConsumerWorld.start(2);
  const signal = AbortSignal.timeout(10_000);
  const callsOf = ({ broker }: HttpWorld) => {
    const { access, consumers } = broker.broker.services.groups;
    const calls = new InstanceCalls(access, consumers, 2);
    return {
      create: (instanceId: string) => calls.create({ groupId: "g", instanceId }, CONFIG, signal),
      delete: (instanceId: string) => calls.delete({ groupId: "g", instanceId }, signal),
    };
  };
  const [here, there] = [callsOf(world.process(0)), callsOf(world.process(1))];
  for (const name of ["a", "b"]) expect(await there.create(name)).toBe(ErrorCode.NONE);
  expect(await there.create("c")).toBe(ErrorCode.POLICY_VIOLATION);
  await here.delete("a");
  expect(await there.create("c")).toBe(ErrorCode.NONE);
  expect(await there.create("d")).toBe(ErrorCode.POLICY_VIOLATION);
});
