import { assert } from "#lib/util/assert.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { ConsumerMember } from "./consumer-member.ts";
import { ASK_AGAIN_MS, type GroupProtocol, isShared, WHOLE_TIMEOUT_MS } from "./group-protocol.ts";

const ROUNDS_UNTIL_ALL_ASK = 10;

/** ConsumerGroupHeartbeat alone: the broker assigns. */
export const CONSUMER: GroupProtocol<ConsumerMember> = {
  label: "KIP-848",
  open: (options) => ConsumerMember.open(options),

  async form(members) {
    await Promise.all(members.map((member) => member.join()));
    await becomeWhole(members);
  },

  async grow(members, newcomer) {
    const epoch = latestEpoch(members);
    const all = [...members, newcomer];
    const beganMs = performance.now();
    await newcomer.join();
    await Promise.all(all.map((member) => member.follow(epoch)));
    await becomeWhole(all);
    return performance.now() - beganMs;
  },

  async shrink(members, leaver) {
    const epoch = latestEpoch(members);
    await leaver.leave();
    await Promise.all(members.map((member) => member.follow(epoch)));
    await becomeWhole(members);
  },
};

/** Partitions that have to be given up first come later: whoever waits for something asks on. */
async function becomeWhole(members: readonly ConsumerMember[]): Promise<void> {
  const endMs = performance.now() + WHOLE_TIMEOUT_MS;
  for (let round = 1; !isWhole(members); round++) {
    assert(performance.now() < endMs, "a group becomes whole in time");
    await sleep(ASK_AGAIN_MS);
    const epoch = latestEpoch(members);
    const isWaiting = ({ memberEpoch, owned }: ConsumerMember) => memberEpoch < epoch || owned.length === 0;
    // Now and then all of them: the broker may have put off what it has to tell them.
    const asking = round % ROUNDS_UNTIL_ALL_ASK === 0 ? members : members.filter(isWaiting);
    await Promise.all(asking.map((member) => member.heartbeat()));
  }
}

function isWhole(members: readonly ConsumerMember[]): boolean {
  const epoch = latestEpoch(members);
  const isOneEpoch = members.every((member) => member.memberEpoch === epoch);
  const topic = members[0]?.options.topic;
  return topic === undefined || (isOneEpoch && isShared(members, topic));
}

function latestEpoch(members: readonly ConsumerMember[]): number {
  return Math.max(0, ...members.map(({ memberEpoch }) => memberEpoch));
}
