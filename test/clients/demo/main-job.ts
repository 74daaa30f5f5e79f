import { consumePartition } from "../kcat/kcat.ts";
import { Broker, type Target } from "../support/broker.ts";
import { sleep } from "../support/processes.ts";
import { provideKcat } from "../support/provision.ts";
import { readTopic } from "../support/reader.ts";
import { newTopic } from "../support/topics.ts";
import { type KeyedRecord, loadCities } from "./cities.ts";
import { compare, type Difference, type StoredRecord } from "./compare.ts";
import { CODECS, type ProduceAll, produceWithKcat, produceWithPlatformatic } from "./producers.ts";
import { Progress } from "./progress.ts";

export interface MainJobOptions {
  readonly target: Target;
  /** How often the broker is killed while both producers run. */
  readonly kills: number;
  /** At most so many records of the data set; all without it. */
  readonly limit?: number;
}

export interface Comparison {
  readonly producer: string;
  readonly reader: string;
  readonly difference: Difference;
}

export interface MainJobResult {
  readonly sent: number;
  /** Kills that hit while both producers still had records to send. */
  readonly kills: number;
  readonly comparisons: readonly Comparison[];
  /** Stored batches per producer and codec, as their attributes say. */
  readonly batches: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

const PARTITIONS = 6;
/** The bits of a batch's attributes that hold the number of its codec. */
const CODEC_MASK = 7;
const PRODUCERS: readonly (readonly [name: string, produce: ProduceAll])[] = [
  ["kcat", produceWithKcat],
  ["@platformatic/kafka", produceWithPlatformatic],
];

/**
 * The promise of this log, on real input: two producers send a real data set, the broker is killed in the middle, and
 * what consumers then read from the beginning is what was sent, each record once, in the order of its key.
 */
export async function runMainJob(options: MainJobOptions): Promise<MainJobResult> {
  await provideKcat();
  const records = await loadCities(options.limit);
  await using broker = await Broker.start(options.target);
  const topics = new Map<string, string>();
  for (const [name] of PRODUCERS) {
    const topic = await newTopic(broker, `cities-${name.replaceAll(/\W+/g, "")}`, { partitions: PARTITIONS });
    topics.set(name, topic);
  }
  const kills = await produceThroughKills(broker, { records, topics, kills: options.kills });
  const comparisons: Comparison[] = [];
  const batches = new Map<string, ReadonlyMap<string, number>>();
  for (const [producer, topic] of topics) {
    comparisons.push({ producer, reader: "kcat", difference: compare(records, await readWithKcat(broker, topic)) });
    const seen = new Map<string, Set<string>>(CODECS.map((codec) => [codec, new Set()]));
    const partitions = await readTopic(broker.address, topic, (batch) => {
      const codec = CODECS[batch.attributes & CODEC_MASK] ?? "unknown";
      seen.get(codec)?.add(`${batch.firstOffset} ${batch.crc}`);
    });
    comparisons.push({ producer, reader: "@platformatic/kafka", difference: compare(records, partitions) });
    batches.set(producer, new Map([...seen].map(([codec, ids]) => [codec, ids.size])));
  }
  return { sent: records.length, kills, comparisons, batches };
}

interface Production {
  readonly records: readonly KeyedRecord[];
  readonly topics: ReadonlyMap<string, string>;
  readonly kills: number;
}

/** How far a producer may run ahead of the other: a kill must find both of them at work. */
const LEAD_MAX = 20_000;

async function produceThroughKills(broker: Broker, { records, topics, kills }: Production): Promise<number> {
  const progress = new Progress("producing", records.length * PRODUCERS.length);
  const handed = new Map(PRODUCERS.map(([name]) => [name, 0]));
  let killed = 0;
  let killing: Promise<void> | undefined;
  let hasFailed = false;
  const note = (): string => [...handed].map(([who, sent]) => `${who} ${sent.toLocaleString("en")}`).join("  ");
  const killAndRestart = async (): Promise<void> => {
    progress.say(`kill -9 at ${note()}`);
    await broker.kill9();
    await broker.restart();
    progress.say("the broker is back on the same data");
    killing = undefined;
  };
  const onHanded = async (name: string, count: number): Promise<void> => {
    handed.set(name, (handed.get(name) ?? 0) + count);
    progress.show(
      [...handed.values()].reduce((sum, sent) => sum + sent, 0),
      note(),
    );
    const isDue = Math.min(...handed.values()) >= ((killed + 1) / (kills + 1)) * records.length;
    if (killed < kills && isDue && killing === undefined) {
      killed += 1;
      killing = killAndRestart();
      killing.catch(() => {
        hasFailed = true;
      });
    }
    while (!hasFailed && (handed.get(name) ?? 0) > Math.min(...handed.values()) + LEAD_MAX) await sleep(10);
    if (hasFailed) throw new Error("given up: the broker or the other producer has failed");
  };
  const producing = PRODUCERS.map(([name, produce]) => {
    const onProgress = (count: number): Promise<void> => onHanded(name, count);
    return produce({ broker, topic: topics.get(name) ?? "", records, onProgress }).catch((error) => {
      hasFailed = true;
      throw error;
    });
  });
  const ends = await Promise.allSettled(producing);
  progress.end();
  await killing;
  const errors = ends.flatMap((end) => (end.status === "rejected" ? [end.reason] : []));
  if (errors.length > 0) throw new AggregateError(errors, "producing failed");
  return killed;
}

async function readWithKcat(broker: Broker, topic: string): Promise<readonly (readonly StoredRecord[])[]> {
  const partitions: StoredRecord[][] = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const lines = await consumePartition(broker.address, { topic, partition }, "%o\t%k\t%s\n");
    const records = lines.map((line) => {
      const [offset = "", key = "", value = ""] = line.split("\t");
      return { offset: Number(offset), key, value };
    });
    partitions.push(records);
  }
  return partitions;
}
