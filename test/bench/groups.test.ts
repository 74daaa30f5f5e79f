import { describe, expect, test, vi } from "vitest";
import { oneTopic, type TopicMetadata } from "#lib/client/topic-metadata.ts";
import { TestBroker } from "#lib/testing.ts";
import { CLASSIC } from "../../bench/groups/classic-protocol.ts";
import { CONSUMER } from "../../bench/groups/consumer-protocol.ts";
import type { GroupMember, GroupProtocol } from "../../bench/groups/group-protocol.ts";
import { Pulse } from "../../bench/groups/pulse.ts";
import { NEVER, openClient } from "../../bench/kafka/client.ts";

const PARTITIONS = 8;

async function topicOf(broker: TestBroker): Promise<TopicMetadata> {
  await using client = openClient(broker);
  return await oneTopic(client, "read", { signal: NEVER, timeoutMs: 5_000 });
}

/** The members that the benchmarks count on, against a broker in this process. */
function describeProtocol<Member extends GroupMember>(protocol: GroupProtocol<Member>): void {
  describe(`members of ${protocol.label} groups`, () => {
    test("share a topic, share it anew with one more, and again without it", async () => {
      await using broker = await TestBroker.start({ topics: [{ name: "read", partitions: PARTITIONS }] });
      const options = { address: broker, groupId: "group", topic: await topicOf(broker) };
      await using stack = new AsyncDisposableStack();
      const open = async () => stack.use(await protocol.open(options));
      const members = await Promise.all([open(), open(), open()]);
      const newcomer = await open();
      const owned = () => [...members, newcomer].map((member) => member.owned.length).sort();
      await protocol.form(members);
      expect(owned()).toEqual([0, 2, 3, 3]);
      expect(await protocol.grow(members, newcomer)).toBeGreaterThan(0);
      expect(owned()).toEqual([2, 2, 2, 2]);
      await protocol.shrink(members, newcomer);
      expect(owned()).toEqual([0, 2, 3, 3]);
      await protocol.grow(members, newcomer);
      expect(owned()).toEqual([2, 2, 2, 2]);
    });

    test("tell when a heartbeat is not answered well", async () => {
      await using broker = await TestBroker.start({ topics: [{ name: "read", partitions: PARTITIONS }] });
      const member = await protocol.open({ address: broker, groupId: "group", topic: await topicOf(broker) });
      await using _ = member;
      await protocol.form([member]);
      await member.heartbeat();
      await member.leave();
      await expect(member.heartbeat()).rejects.toThrow(/UNKNOWN_MEMBER_ID|GROUP_ID_NOT_FOUND/);
    });
  });
}

describeProtocol(CLASSIC);
describeProtocol(CONSUMER);

test("a pulse sends each member's heartbeats at their interval, and tells of the first that failed", async () => {
  const beats = [0, 0];
  const member = (index: number): GroupMember => ({
    owned: [],
    async heartbeat() {
      beats[index] = (beats[index] ?? 0) + 1;
      if (beats[index] === 6) throw new Error("no such member");
    },
    async leave() {},
    async [Symbol.asyncDispose]() {},
  });
  using pulse = new Pulse([member(0), member(1)], 20);
  expect(pulse.perSecond).toBe(100);
  pulse.check();
  await expect.poll(() => Math.max(...beats)).toBeGreaterThanOrEqual(6);
  expect(Math.abs((beats[0] ?? 0) - (beats[1] ?? 0))).toBeLessThanOrEqual(1);
  await vi.waitFor(() => expect(() => pulse.check()).toThrow("no such member"), 10_000);
});
