import { assert } from "#lib/util/assert.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { KAFKA, OURS, type Running, Samples } from "../kafka/contestants.ts";
import { cpuSeconds } from "../support/machine.ts";
import { rounded } from "../support/statistics.ts";
import { type GroupRows, type GroupsContext, startBrokers } from "./context.ts";
import type { GroupMember, GroupProtocol } from "./group-protocol.ts";
import { newGroupTopic } from "./group-topic.ts";
import { groupRecordCount } from "./journal-records.ts";
import { Pulse } from "./pulse.ts";

const PARTITIONS = 6;
/** Groups that form at the same time. */
const FORMING_MAX = 50;

/** What groups cost that do nothing but live. */
export function heartbeatRows<Member extends GroupMember>(protocol: GroupProtocol<Member>): GroupRows {
  const name = `1,000 groups of 3 members at rest, ${protocol.label}`;
  const cpuRow = `broker CPU: ${name}`;
  const journalRow = `journal records: ${name}`;
  return {
    rows: [cpuRow, journalRow],
    async measure(context) {
      await using stack = new AsyncDisposableStack();
      const brokers = await startBrokers([OURS, KAFKA], context, stack);
      const beating = await Promise.all(brokers.map((running) => startBeating(running, protocol, { context, stack })));
      await sleep(context.sizes.heartbeats.warmUpMs);
      const shares = new Samples();
      const records = new Samples();
      for (let repeat = 0; repeat < context.repeats; repeat++) {
        // All at once, so that they meet the same machine: together they leave most of it idle.
        const samples = await Promise.all(beating.map((each) => watch(each, context)));
        for (const { running, share, recordsPerSecond } of samples) {
          const { name: contestant } = running.contestant;
          shares.add(contestant, share);
          if (recordsPerSecond !== undefined) records.add(contestant, recordsPerSecond);
          const journal = recordsPerSecond === undefined ? "" : `, ${rounded(recordsPerSecond)} journal records/s`;
          context.say(`${name}: ${contestant} ${rounded(share)} % of a core${journal}`);
        }
      }
      const share = { unit: "% of a core", better: "lower" } as const;
      return [
        { name: cpuRow, ...share, ours: shares.of("ours"), reference: shares.of("kafka") },
        { name: journalRow, unit: "records/s", better: "lower", ours: records.of("ours"), reference: [] },
      ];
    },
  };
}

interface Beating {
  readonly running: Running;
  readonly pulse: Pulse;
}

async function startBeating<Member extends GroupMember>(
  running: Running,
  protocol: GroupProtocol<Member>,
  { context, stack }: { readonly context: GroupsContext; readonly stack: AsyncDisposableStack },
): Promise<Beating> {
  const { groups, membersPerGroup, intervalMs } = context.sizes.heartbeats;
  const { broker, contestant } = running;
  const topic = await newGroupTopic(broker, PARTITIONS);
  const members: Member[] = [];
  let formed = 0;
  const formNext = async (): Promise<void> => {
    while (formed < groups) {
      const options = { address: broker, groupId: `group-${formed++}`, topic };
      const group = await Promise.all(Array.from({ length: membersPerGroup }, () => protocol.open(options)));
      for (const member of group) stack.use(member);
      await protocol.form(group);
      members.push(...group);
    }
  };
  const beganMs = performance.now();
  await Promise.all(Array.from({ length: FORMING_MAX }, formNext));
  const tookSeconds = (performance.now() - beganMs) / 1_000;
  context.say(`${contestant.name}: ${groups} ${protocol.label} groups formed in ${rounded(tookSeconds)} s`);
  return { running, pulse: stack.use(new Pulse(members, intervalMs)) };
}

async function watch({ running, pulse }: Beating, { sizes }: GroupsContext) {
  const { windowMs } = sizes.heartbeats;
  const { broker, contestant } = running;
  const count = () => (contestant.name === "ours" ? groupRecordCount(broker) : undefined);
  const before = { ms: performance.now(), cpu: cpuSeconds(broker.pid ?? 0), records: count(), beats: pulse.answered };
  await sleep(windowMs);
  const seconds = (performance.now() - before.ms) / 1_000;
  const cpu = cpuSeconds(broker.pid ?? 0) - before.cpu;
  const records = count();
  pulse.check();
  const isSteady = pulse.answered - before.beats > 0.9 * seconds * pulse.perSecond;
  assert(isSteady, `${contestant.name} answers the heartbeats as they come`);
  const appended = records === undefined ? undefined : records - (before.records ?? 0);
  const recordsPerSecond = appended === undefined ? undefined : appended / seconds;
  return { running, share: (100 * cpu) / seconds, recordsPerSecond };
}
