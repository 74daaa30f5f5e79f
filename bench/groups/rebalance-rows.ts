import { sleep } from "../../test/clients/support/processes.ts";
import { KAFKA, OURS, type Running, Samples } from "../kafka/contestants.ts";
import { alternate } from "../kafka/group.ts";
import { syncDisks } from "../support/machine.ts";
import { median, rounded } from "../support/statistics.ts";
import { type GroupRows, type GroupsContext, startBrokers } from "./context.ts";
import type { GroupMember, GroupProtocol } from "./group-protocol.ts";
import { newGroupTopic } from "./group-topic.ts";

/** A broker with a group, and one who is to join it again and again. */
interface Sharing<Member> extends Running {
  readonly members: readonly Member[];
  readonly newcomer: Member;
}

/** From the first request of one more member until all hold what they own with it. */
export function rebalanceRows<Member extends GroupMember>(protocol: GroupProtocol<Member>): GroupRows {
  const row = `rebalance of 100 members, ${protocol.label}`;
  return {
    rows: [row],
    async measure(context) {
      await using stack = new AsyncDisposableStack();
      const brokers = await startBrokers([OURS, KAFKA], context, stack);
      const sharing = await Promise.all(brokers.map((running) => form(running, protocol, { context, stack })));
      const times = new Samples();
      await alternate(sharing, context, {
        measure: (each) => rebalance(each, protocol, context),
        keep: ({ contestant }, ms) => {
          times.add(contestant.name, ms);
          context.say(`${row}: ${contestant.name} ${rounded(ms)} ms`);
        },
      });
      return [{ name: row, unit: "ms", better: "lower", ours: times.of("ours"), reference: times.of("kafka") }];
    },
  };
}

async function form<Member extends GroupMember>(
  running: Running,
  protocol: GroupProtocol<Member>,
  { context, stack }: { readonly context: GroupsContext; readonly stack: AsyncDisposableStack },
): Promise<Sharing<Member>> {
  const { members: count, partitions } = context.sizes.rebalances;
  const topic = await newGroupTopic(running.broker, partitions);
  const options = { address: running.broker, groupId: "rebalanced", topic };
  const open = async () => stack.use(await protocol.open(options));
  const members = await Promise.all(Array.from({ length: count }, open));
  await protocol.form(members);
  return { ...running, members, newcomer: await open() };
}

async function rebalance<Member extends GroupMember>(
  { members, newcomer }: Sharing<Member>,
  protocol: GroupProtocol<Member>,
  { sizes }: GroupsContext,
): Promise<number> {
  const { perSample, pauseMs } = sizes.rebalances;
  const times: number[] = [];
  await syncDisks();
  for (let i = 0; i < perSample; i++) {
    await sleep(pauseMs);
    times.push(await protocol.grow(members, newcomer));
    await sleep(pauseMs);
    await protocol.shrink(members, newcomer);
  }
  return median(times);
}
