import { assert, defined } from "#lib/util/assert.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { ClassicMember } from "./classic-member.ts";
import { ASK_AGAIN_MS, type GroupProtocol, isShared, WHOLE_TIMEOUT_MS } from "./group-protocol.ts";

/** JoinGroup and SyncGroup: the members' leader assigns. */
export const CLASSIC: GroupProtocol<ClassicMember> = {
  label: "classic",
  open: (options) => ClassicMember.open(options),

  async form(members) {
    const endMs = performance.now() + WHOLE_TIMEOUT_MS;
    await Promise.all(
      members.map(async (member) => {
        await member.join();
        while (!isWhole(members)) {
          assert(performance.now() < endMs, "a group forms in time");
          await sleep(ASK_AGAIN_MS);
          await member.keepUp();
        }
      }),
    );
  },

  async grow(members, newcomer) {
    const beganMs = performance.now();
    await Promise.all([newcomer.join(), rejoin(members)]);
    const tookMs = performance.now() - beganMs;
    assert(isWhole([...members, newcomer]), "all have joined the newcomer's generation");
    return tookMs;
  },

  async shrink(members, leaver) {
    await Promise.all([leaver.leave(), rejoin(members)]);
    assert(isWhole(members), "all have joined the generation without the leaver");
  },
};

/** One member listens; when it has heard of the round the others ask too. */
async function rejoin(members: readonly ClassicMember[]): Promise<void> {
  const [first, ...others] = members;
  const heard = defined(first, "a member").hearOfRebalance();
  await Promise.all([
    heard.then(() => first?.join()),
    ...others.map(async (member) => {
      await heard;
      await member.hearOfRebalance();
      await member.join();
    }),
  ]);
}

function isWhole(members: readonly ClassicMember[]): boolean {
  const [first] = members;
  if (first === undefined) return true;
  const isOneGeneration = members.every(({ generationId }) => generationId === first.generationId);
  const isComplete = members.some(({ ledMembers }) => ledMembers === members.length);
  return isOneGeneration && isComplete && isShared(members, first.options.topic);
}
