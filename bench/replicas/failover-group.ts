import { bootstrapOf, type ChaosCluster, type ReplicatedTopic } from "../../test/chaos/cluster.ts";
import { Load } from "../../test/chaos/load.ts";
import { untilWhole } from "../../test/chaos/round.ts";
import { metadataOf } from "../../test/chaos/whole-cluster.ts";
import { sleep } from "../../test/clients/support/processes.ts";
import { Samples } from "../kafka/contestants.ts";
import { rounded } from "../support/statistics.ts";
import { BROKERS, newReplicatedTopic, startCluster, startMortals } from "./clusters.ts";
import type { ReplicasContext, ReplicasGroup } from "./group.ts";
import { PARTITIONS } from "./sizes.ts";

const RECORDS_PER_SECOND = 300;
const RECORD_BYTES = 200;
const LIMIT_MS = 100_000;
/** Kills come at no particular moment of the brokers' own heartbeats. */
const REST_MS = 1_370;

/** A cluster in which a leader is killed and, once that was measured, all is brought back to how it was. */
interface Patient {
  readonly name: "ours" | "kafka";
  readonly cluster: ChaosCluster;
  readonly directory: string;
  revive(brokerId: number): Promise<void>;
}

type StartPatient = (name: Patient["name"], context: ReplicasContext, stack: AsyncDisposableStack) => Promise<Patient>;

const startRestarted: StartPatient = async (name, context, stack) => {
  const { cluster, directory } = await startCluster(name, context, stack);
  return { name, cluster, directory, revive: async () => {} };
};

const startDying: StartPatient = async (name, context, stack) => {
  const { cluster, directory } = await startMortals(name, context, stack);
  return { name, cluster, directory, revive: (brokerId) => cluster.revive(brokerId) };
};

export const failoverGroups: readonly ReplicasGroup[] = [
  failoverGroup("next ack after kill -9 of a leader that is started again after a second", startRestarted),
  failoverGroup("next ack after kill -9 of a leader that stays dead", startDying),
];

/**
 * From the kill of a broker until each partition that it led has acknowledged a record that was sent after it, to
 * Kafka's producer with its defaults. One cluster after the other, for they would take the processors from each other.
 */
function failoverGroup(name: string, start: StartPatient): ReplicasGroup {
  return {
    rows: [name],
    async measure(context) {
      const samples = new Samples();
      for (const contestant of ["ours", "kafka"] as const) {
        await using stack = new AsyncDisposableStack();
        const patient = await start(contestant, context, stack);
        const times = await failovers(patient, context.repeats);
        for (const ms of times) samples.add(contestant, ms);
        context.say(`${name}: ${contestant} ${times.map(rounded).join(", ")} ms`);
      }
      return [{ name, unit: "ms", better: "lower", ours: samples.of("ours"), reference: samples.of("kafka") }];
    },
  };
}

async function failovers({ cluster, directory, revive }: Patient, repeats: number): Promise<readonly number[]> {
  const topic = await newReplicatedTopic(cluster, PARTITIONS);
  const rate = { recordsPerSecond: RECORDS_PER_SECOND, recordBytes: RECORD_BYTES };
  const place = { bootstrap: bootstrapOf(cluster), topic: topic.name, partitions: PARTITIONS, directory };
  await using load = await Load.start({ ...place, ...rate }, LIMIT_MS);
  const times: number[] = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const brokerId = repeat % BROKERS;
    await untilWhole({ cluster, topic });
    await sleep(REST_MS);
    const led = await ledBy(brokerId, cluster, topic);
    const killedMs = load.mark();
    await cluster.kill(brokerId);
    times.push((await load.untilAcked(LIMIT_MS, led)) - killedMs);
    await revive(brokerId);
  }
  return times;
}

async function ledBy(brokerId: number, { brokers }: ChaosCluster, topic: ReplicatedTopic): Promise<readonly number[]> {
  const [broker] = brokers;
  if (broker === undefined) throw new Error("a cluster has brokers");
  const { topics } = await metadataOf(broker, topic.name);
  const led = (topics[0]?.partitions ?? []).filter(({ leaderId }) => leaderId === brokerId);
  if (led.length === 0) throw new Error(`broker ${brokerId} leads nothing`);
  return led.map(({ partitionIndex }) => partitionIndex);
}
