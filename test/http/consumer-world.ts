import { NO_JOURNAL_FAULTS } from "#lib/adapters/memory/journal-fault.ts";
import { MemoryJournal } from "#lib/adapters/memory/memory-journal.ts";
import { MemoryJournalService } from "#lib/adapters/memory/memory-journal-service.ts";
import { MemoryObjectService, MemoryObjectStore } from "#lib/adapters/memory/memory-object-store.ts";
import { SystemClock } from "#lib/adapters/node/system-clock.ts";
import { HttpWorld, type HttpWorldOptions, type JsonAnswer } from "./http-world.ts";

/** Processes over one journal service and one store, each with the whole HTTP app. */
export class ConsumerWorld implements AsyncDisposable {
  readonly #clock = new SystemClock();
  readonly #journals = new MemoryJournalService(this.#clock);
  readonly objects = new MemoryObjectService(this.#clock);
  readonly #processes: HttpWorld[] = [];

  static async start(count = 2, options: HttpWorldOptions = {}): Promise<ConsumerWorld> {
    const world = new ConsumerWorld();
    for (let at = 0; at < count; at++) await world.startProcess(options);
    return world;
  }

  async startProcess(options: HttpWorldOptions = {}): Promise<HttpWorld> {
    const brokerId = this.#processes.length;
    const process = await HttpWorld.start({
      ...options,
      brokerId,
      journal: new MemoryJournal(this.#journals, NO_JOURNAL_FAULTS, `broker-${brokerId}`),
      store: new MemoryObjectStore(this.objects, { clock: this.#clock }),
    });
    this.#processes.push(process);
    return process;
  }

  process(at: number): HttpWorld {
    const process = this.#processes[at];
    if (process === undefined) throw new Error(`there is no process ${at}`);
    return process;
  }

  get processes(): readonly HttpWorld[] {
    return this.#processes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#processes) await process[Symbol.asyncDispose]();
  }
}

export interface Consumed {
  readonly topic: string;
  readonly key: unknown;
  readonly value: unknown;
  readonly partition: number;
  readonly offset: number;
}

const JSON_V2 = "application/vnd.kafka.v2+json";

/** A client of one consumer instance. Each call goes to the process that is its turn, so that none can be sticky. */
export class RestConsumer {
  readonly group: string;
  readonly name: string;
  processes: readonly HttpWorld[];
  #calls = 0;

  constructor(processes: readonly HttpWorld[], group: string, name: string) {
    this.processes = processes;
    this.group = group;
    this.name = name;
  }

  create(config: Readonly<Record<string, unknown>> = {}): Promise<JsonAnswer> {
    const settings = { name: this.name, "auto.offset.reset": "earliest", format: "json", ...config };
    return this.#next().post(`/consumers/${this.group}`, settings, { "content-type": JSON_V2 });
  }

  post(path: string, body?: unknown): Promise<JsonAnswer> {
    const at = `${this.#path}/${path}`;
    if (body === undefined) return this.#next().json(at, { method: "POST" });
    return this.#next().post(at, body, { "content-type": JSON_V2 });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<JsonAnswer> {
    return this.#next().json(`${this.#path}/${path}`, { headers });
  }

  delete(path = ""): Promise<JsonAnswer> {
    return this.#next().json(path === "" ? this.#path : `${this.#path}/${path}`, { method: "DELETE" });
  }

  async subscribe(...topics: readonly string[]): Promise<void> {
    const { status, body } = await this.post("subscription", { topics });
    if (status !== 204) throw new Error(`subscribing answers ${status} ${JSON.stringify(body)}`);
  }

  async assign(topic: string, ...partitions: readonly number[]): Promise<void> {
    const list = partitions.map((partition) => ({ topic, partition }));
    const { status, body } = await this.post("assignments", { partitions: list });
    if (status !== 204) throw new Error(`assigning answers ${status} ${JSON.stringify(body)}`);
  }

  async poll(query = "timeout=0"): Promise<readonly Consumed[]> {
    const { status, body } = await this.get(`records?${query}`);
    if (status !== 200) throw new Error(`a poll answers ${status} ${JSON.stringify(body)}`);
    return body;
  }

  async values(query?: string): Promise<readonly unknown[]> {
    return (await this.poll(query)).map(({ value }) => value);
  }

  /** Polls until there have been `count` records. */
  async drain(count: number): Promise<readonly Consumed[]> {
    const records: Consumed[] = [];
    for (let attempt = 0; attempt < 100 && records.length < count; attempt++) {
      records.push(...(await this.poll("timeout=100")));
    }
    return records;
  }

  async partitions(): Promise<readonly number[]> {
    const { body } = await this.get("assignments");
    return body.partitions.map(({ partition }: Consumed) => partition);
  }

  async committed(topic: string, partition = 0): Promise<number | undefined> {
    const { body } = await this.get(`offsets?partitions=${topic}:${partition}`);
    return body.offsets[0]?.offset;
  }

  get #path(): string {
    return `/consumers/${this.group}/instances/${encodeURIComponent(this.name)}`;
  }

  #next(): HttpWorld {
    const process = this.processes[this.#calls++ % this.processes.length];
    if (process === undefined) throw new Error("there is no process");
    return process;
  }
}

/** Writes JSON values to partition 0, or to the one that is named. */
export async function write(world: HttpWorld, topic: string, values: readonly unknown[], partition = 0): Promise<void> {
  const records = values.map((value) => ({ value, partition }));
  const { status, body } = await world.post(`/topics/${topic}`, { records });
  if (status !== 200) throw new Error(`writing answers ${status} ${JSON.stringify(body)}`);
}
