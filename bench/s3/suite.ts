import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { newS3Client } from "#lib/adapters/aws/aws-clients.ts";
import { Broker, type CommandMaker } from "../../test/clients/support/broker.ts";
import { provideJava } from "../../test/clients/support/java.ts";
import { provideKcat } from "../../test/clients/support/provision.ts";
import { install } from "../../test/localstack/install/install.ts";
import { Versitygw } from "../../test/localstack/servers/versitygw.ts";
import { newTopic } from "../kafka/client.ts";
import { OURS, type Running } from "../kafka/contestants.ts";
import { FILLED_PARTITIONS, FILLED_RECORD_BYTES, fillTopic } from "../kafka/filled-topic.ts";
import type { KafkaContext } from "../kafka/group.ts";
import { readPartitions } from "../kafka/kcat.ts";
import { producePerformance } from "../kafka/producer-performance.ts";
import { GIGABYTE, KIBIBYTE, MEGABYTE, type Sizes, SMALL_SIZES, WARM_UP_SHARE } from "../kafka/sizes.ts";
import { cpuSeconds } from "../support/machine.ts";
import { type Measured, rounded } from "../support/statistics.ts";
import type { BenchSuite } from "../support/suite.ts";

const BUCKET = "bench";
/** Memory that looks like a disk, so that the disk is not what is measured. */
const MEMORY_DISK = "/dev/shm";
const SIZES: Sizes = { ...SMALL_SIZES, produceBytes: 500_000_000, consumeBytes: 1_000_000_000 };
/** V8's flag of `millrace serve` (bin/serve.ts). */
const HEAP_FLAG = "--heap-growing-percent=300";

const PRODUCE = "produce 1 KiB, 6 partitions; goal";
const CONSUME = "consume, 6 partitions; goal";
const PRODUCE_COST = "broker CPU: produce 1 KiB, 6 partitions";
const CONSUME_COST = "broker CPU: consume, 6 partitions";
const PRODUCE_GOAL = 90;
const CONSUME_GOAL = 180;

interface Sample {
  /** MB/s of records' values. */
  readonly rate: number;
  /** CPU seconds of the broker for a GB. */
  readonly cost: number;
}

/** A gateway on a real S3 server beside it; clients and counting are those of the `kafka` suite. */
export const s3Suite: BenchSuite = {
  name: "s3",
  what: "beside goals: produce and consume against a real S3 server on this machine, versitygw in memory (about 5 minutes)",
  async run(base) {
    if (![PRODUCE, CONSUME, PRODUCE_COST, CONSUME_COST].some(base.wants)) return [];
    const context: KafkaContext = { ...base, sizes: base.isSmall ? SMALL_SIZES : SIZES };
    await provideJava();
    await provideKcat();
    await install(["versitygw"]);
    const measured: Measured[] = [];
    if ([PRODUCE, PRODUCE_COST].some(base.wants)) {
      const samples = await withGateway((running, bucket) =>
        repeated(PRODUCE, context, async () => {
          const sample = await produceOnce(running, context);
          empty(bucket);
          return sample;
        }),
      );
      measured.push(...rowsOf(samples, { rate: PRODUCE, cost: PRODUCE_COST, goal: PRODUCE_GOAL }));
    }
    if ([CONSUME, CONSUME_COST].some(base.wants)) {
      const samples = await withGateway(async (running) => {
        const { topic, records } = await fillTopic(running, context);
        return repeated(CONSUME, context, () => consumeOnce(running, { topic, records }));
      });
      measured.push(...rowsOf(samples, { rate: CONSUME, cost: CONSUME_COST, goal: CONSUME_GOAL }));
    }
    return measured.filter(({ name }) => base.wants(name));
  },
};

async function withGateway<T>(work: (running: Running, bucket: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(existsSync(MEMORY_DISK) ? MEMORY_DISK : tmpdir(), "millrace-bench-s3-"));
  try {
    await using server = await Versitygw.start({ directory, keepAlive: true });
    const { accessKeyId, secretAccessKey } = Versitygw;
    const credentials = { accessKeyId, secretAccessKey };
    const client = newS3Client({ endpoint: server.url, region: "us-east-1", credentials });
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    client.destroy();
    await using broker = await Broker.start(gatewayCommand(server.url));
    return await work({ contestant: OURS, broker }, join(directory, BUCKET));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Memory that a virtual machine has not used before costs its processes several times as much as memory that it has: with
 * each repeat in new memory, the server took three times as long in the system for the fourth as for the first.
 */
function empty(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true, force: true });
}

function gatewayCommand(endpoint: string): CommandMaker {
  const script = fileURLToPath(new URL("./serve.ts", import.meta.url));
  return ({ port }) => ({
    command: process.execPath,
    args: [HEAP_FLAG, script, "--port", String(port), "--endpoint", endpoint, "--bucket", BUCKET],
    readyText: `ready kafka=127.0.0.1:${port}`,
  });
}

/** One more, which does not count, comes before: clients, broker and server compile or grow at first. */
async function repeated(
  name: string,
  { isSmall, repeats, say }: KafkaContext,
  measure: () => Promise<Sample>,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  if (!isSmall) await measure();
  for (let repeat = 0; repeat < repeats; repeat++) {
    const sample = await measure();
    samples.push(sample);
    say(`${name}: ${rounded(sample.rate)} MB/s, ${rounded(sample.cost)} CPU s/GB`);
  }
  return samples;
}

async function produceOnce({ broker }: Running, { sizes, isSmall }: KafkaContext): Promise<Sample> {
  const topic = await newTopic(broker, FILLED_PARTITIONS);
  const records = Math.round(sizes.produceBytes / KIBIBYTE);
  const warmUpRecords = Math.round(records * WARM_UP_SHARE);
  const before = cpuSeconds(broker.pid ?? 0);
  const load = { topic, recordBytes: KIBIBYTE, records, warmUpRecords, throughput: -1, lingerMs: 5, isSmall };
  const { recordsPerSecond } = await producePerformance(broker.address, load);
  const producedBytes = (records + warmUpRecords) * KIBIBYTE;
  return {
    rate: (recordsPerSecond * KIBIBYTE) / MEGABYTE,
    cost: (cpuSeconds(broker.pid ?? 0) - before) / (producedBytes / GIGABYTE),
  };
}

async function consumeOnce(
  { broker }: Running,
  { topic, records }: { readonly topic: string; readonly records: number },
): Promise<Sample> {
  const before = cpuSeconds(broker.pid ?? 0);
  const seconds = await readPartitions(broker.address, { topic, partitions: FILLED_PARTITIONS, records });
  const readBytes = records * FILLED_RECORD_BYTES;
  return {
    rate: readBytes / MEGABYTE / seconds,
    cost: (cpuSeconds(broker.pid ?? 0) - before) / (readBytes / GIGABYTE),
  };
}

function rowsOf(
  samples: readonly Sample[],
  names: { readonly rate: string; readonly cost: string; readonly goal: number },
): readonly Measured[] {
  const rates = samples.map(({ rate }) => rate);
  const costs = samples.map(({ cost }) => cost);
  return [
    { name: names.rate, unit: "MB/s", better: "higher", ours: rates, reference: [names.goal] },
    { name: names.cost, unit: "CPU s/GB", better: "lower", ours: costs, reference: [] },
  ];
}
