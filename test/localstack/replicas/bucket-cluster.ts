import { SystemRandom } from "#lib/adapters/node/system-random.ts";
import { KafkaClient } from "#lib/client/kafka-client.ts";
import { type TopicMetadata, topicMetadata } from "#lib/client/topic-metadata.ts";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { defined } from "#lib/util/assert.ts";
import { clock, dynamoDbEndpoint, makeBucket, makeTable, s3Endpoint } from "../../adapters/aws/emulator.ts";
import { type Ended, ServeProcess } from "../../serve/serve-process.ts";
import { FaultProxy } from "../faults/proxy.ts";
import type { FaultRule } from "../faults/rules.ts";
import { freePort } from "../servers/server-process.ts";

export const STORES = 3;
const LOOK_EVERY_MS = 200;

/** What happens to every request of a bucket. */
export type Outage =
  | { readonly fault: "refuse"; readonly code: string }
  | { readonly fault: "hang" }
  | { readonly fault: "delay"; readonly delayMs: number };

/**
 * Gateways as processes of their own, at fixed ports, on one table and three buckets. Everything that they ask of the buckets
 * goes through a proxy, which can take any of them away.
 */
export class BucketCluster implements AsyncDisposable {
  readonly buckets: readonly string[];
  readonly #table: string;
  readonly #proxy: FaultProxy;
  readonly #ports: readonly number[];
  readonly #running = new Map<number, ServeProcess>();
  readonly #outages = new Map<number, readonly FaultRule[]>();

  private constructor(
    proxy: FaultProxy,
    made: { buckets: readonly string[]; table: string; ports: readonly number[] },
  ) {
    this.buckets = made.buckets;
    this.#table = made.table;
    this.#proxy = proxy;
    this.#ports = made.ports;
  }

  /** With one running gateway for each bucket. */
  static async start(): Promise<BucketCluster> {
    const buckets: string[] = [];
    const ports: number[] = [];
    for (let at = 0; at < STORES; at++) {
      buckets.push(await makeBucket());
      ports.push(await freePort());
    }
    const proxy = await FaultProxy.start({ target: s3Endpoint() });
    const cluster = new BucketCluster(proxy, { buckets, table: await makeTable(), ports });
    try {
      // The first one makes the stores.
      for (let brokerId = 0; brokerId < STORES; brokerId++) await cluster.gateway(brokerId).ready();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The gateway with this id; started where none runs. */
  gateway(brokerId: number): ServeProcess {
    const known = this.#running.get(brokerId);
    if (known !== undefined) return known;
    const made = this.spawn(brokerId);
    this.#running.set(brokerId, made);
    return made;
  }

  /** One more process with this id, whether or not there is one; at a port of its own where `isSecond`. */
  spawn(brokerId: number, { isSecond = false } = {}): ServeProcess {
    const stores = this.buckets.flatMap((bucket) => ["--store", `s3://${bucket}?endpoint=${this.#proxy.url}`]);
    const journal = ["--journal", `dynamodb://${this.#table}?endpoint=${dynamoDbEndpoint()}`];
    const log = ["--log-level", "debug"];
    const own = ["--broker-id", String(brokerId), "--rack", `zone-${brokerId % STORES}`, ...log];
    const door = ["--kafka", `127.0.0.1:${isSecond ? 0 : defined(this.#ports[brokerId])}`];
    return new ServeProcess([process.execPath, "bin/millrace.ts", "serve", ...stores, ...journal, ...own, ...door]);
  }

  /** SIGTERM, as ECS ends a task, or SIGKILL. */
  async end(brokerId: number, signal: "SIGTERM" | "SIGKILL"): Promise<Ended> {
    const running = defined(this.#running.get(brokerId), `gateway ${brokerId}`);
    this.#running.delete(brokerId);
    return await running.stop(signal);
  }

  /** Which buckets are away, and how; the others are healthy from now on. */
  takeAway(outages: ReadonlyMap<number, Outage>): void {
    this.#outages.clear();
    for (const [storeId, outage] of outages) {
      this.#outages.set(storeId, [{ ...outage, match: `^[A-Z]+ /${defined(this.buckets[storeId])}[/?]` }]);
    }
    this.#proxy.set(...[...this.#outages.values()].flat());
  }

  /** A client that knows all gateways, those that do not run as well. */
  client(): KafkaClient {
    const bootstrap = this.#ports.map((port) => ({ host: "127.0.0.1", port }));
    return new KafkaClient({ bootstrap, clientId: "test", clock, random: new SystemRandom() });
  }

  async createTopic(client: KafkaClient, name: string, numPartitions: number): Promise<void> {
    const signal = AbortSignal.timeout(30_000);
    const { topics } = await client.send(
      Apis.CREATE_TOPICS,
      { topics: [{ name, numPartitions, replicationFactor: STORES }], timeoutMs: 10_000, validateOnly: false },
      { signal },
    );
    const { errorCode, errorMessage } = defined(topics[0]);
    if (errorCode !== ErrorCode.NONE) throw new Error(`cannot create ${name}: ${errorCode} ${errorMessage}`);
  }

  /** What the gateways wrote to their logs, for a test that fails. */
  logs(): string {
    return [...this.#running].map(([brokerId, { stderr }]) => `--- broker ${brokerId}\n${stderr}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((each) => each[Symbol.asyncDispose]()));
    await this.#proxy[Symbol.asyncDispose]();
  }
}

/** Waits until clients see the topic as `is` wants it; answers after how many milliseconds. Fails with what they see instead. */
export async function untilTopic(
  client: KafkaClient,
  name: string,
  { is, msMax }: { readonly is: (topic: TopicMetadata) => boolean; readonly msMax: number },
): Promise<number> {
  const startedAtMs = performance.now();
  const signal = AbortSignal.timeout(msMax + 30_000);
  for (;;) {
    const seen = await topicMetadata(client, [name], signal).catch((error: unknown) => error);
    const passedMs = performance.now() - startedAtMs;
    if (Array.isArray(seen) && seen[0] !== undefined && is(seen[0])) return passedMs;
    if (passedMs > msMax) throw new Error(`after ${msMax} ms clients see ${JSON.stringify(seen)} ${seen}`);
    await clock.sleep(LOOK_EVERY_MS);
  }
}
