import { desiredLeader } from "#lib/cluster/leader-election.ts";
import type { World } from "../world.ts";

/** In peace nothing is left to elect after so long. */
const QUIET_MS = 3 * 60 * 1_000;

/** When nothing has been wrong for long: whoever lives runs, nobody else does, and each journal has the leader that it should. */
export function checkSettled(world: World): readonly string[] {
  const { truth, scheduler } = world;
  const problems: string[] = [];
  const states = [...truth.clusterState.brokers.values()];
  const running = states.filter(({ status }) => status === "running").sort((a, b) => a.brokerId - b.brokerId);
  const runningIds = running.map(({ brokerId }) => brokerId);
  const livingIds = world.brokers.map(({ options }) => options.brokerId).sort((a, b) => a - b);
  if (runningIds.join() !== livingIds.join()) {
    problems.push(`checkSettled: in the end the brokers ${runningIds} run, and ${livingIds} live`);
  }
  for (const { id, state } of truth.logJournals()) {
    if (state.replicas.length === 0) continue;
    const desired = desiredLeader(state, Number(id.slice("log-".length)), running);
    const { leader } = state;
    if (leader.brokerId !== desired?.brokerId) {
      problems.push(`checkSettled: in the end broker ${leader.brokerId} leads ${id}, not ${desired?.brokerId}`);
    }
    const electedMs = truth.replicas.electedMs(id) ?? 0;
    if (scheduler.elapsedMs - electedMs < QUIET_MS)
      problems.push(`checkSettled: in the end ${id} had an election still`);
  }
  return problems;
}
