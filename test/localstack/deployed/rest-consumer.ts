import { at, call, type JsonAnswer } from "./app.ts";

const V2 = { "content-type": "application/vnd.kafka.v2+json" };
const JSON_V2 = { "content-type": "application/vnd.kafka.json.v2+json" };
const POLLS_MAX = 40;

export interface Consumed {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly value: unknown;
}

/** A client of one consumer instance of the deployed app. Its calls go to its functions in turn: none of them is sticky. */
export class RestConsumer {
  readonly group: string;
  readonly name: string;
  /** URLs of functions. */
  urls: readonly string[];
  #calls = 0;

  constructor(urls: readonly string[], group: string, name: string) {
    this.urls = urls;
    this.group = group;
    this.name = name;
  }

  create(config: Readonly<Record<string, unknown>> = {}): Promise<JsonAnswer> {
    const json = { name: this.name, format: "json", "auto.offset.reset": "earliest", ...config };
    return this.#next(`/consumers/${this.group}`, { method: "POST", headers: V2, json });
  }

  post(path: string, json?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<JsonAnswer> {
    return this.#next(this.#path(path), { method: "POST", headers: { ...V2, ...headers }, json });
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<JsonAnswer> {
    return this.#next(this.#path(path), { headers });
  }

  delete(path = ""): Promise<JsonAnswer> {
    return this.#next(this.#path(path), { method: "DELETE" });
  }

  async join(...topics: readonly string[]): Promise<void> {
    for (const { status, json } of [await this.create(), await this.post("subscription", { topics })]) {
      if (status >= 300) throw new Error(`${this.name} cannot join: ${status} ${JSON.stringify(json)}`);
    }
  }

  async poll(query = "timeout=0"): Promise<readonly Consumed[]> {
    const { status, json } = await this.get(`records?${query}`);
    if (status !== 200 || !Array.isArray(json)) throw new Error(`a poll answers ${status} ${JSON.stringify(json)}`);
    return json;
  }

  /** Polls until there have been so many records. */
  async drain(count: number): Promise<readonly Consumed[]> {
    const found: Consumed[] = [];
    for (let polls = 0; found.length < count && polls < POLLS_MAX; polls++) {
      found.push(...(await this.poll("timeout=500")));
    }
    return found;
  }

  /** What it has, ascending. */
  async partitions(): Promise<readonly number[]> {
    const { json } = await this.get("assignments");
    const assigned = at(json, "partitions");
    if (!Array.isArray(assigned)) throw new Error(`assignments are ${JSON.stringify(json)}`);
    return assigned.map((each) => Number(at(each, "partition"))).sort((a, b) => a - b);
  }

  #path(path: string): string {
    return `/consumers/${this.group}/instances/${this.name}${path === "" ? "" : `/${path}`}`;
  }

  #next(path: string, request: Parameters<typeof call>[1]): Promise<JsonAnswer> {
    const url = this.urls[this.#calls++ % this.urls.length];
    return call(path, { ...request, ...(url === undefined ? {} : { url }) });
  }
}

/** Writes JSON values to one partition. */
export async function write(topic: string, partition: number, ...values: readonly unknown[]): Promise<void> {
  const json = { records: values.map((value) => ({ value })) };
  const answer = await call(`/topics/${topic}/partitions/${partition}`, { method: "POST", headers: JSON_V2, json });
  if (answer.status !== 200) throw new Error(`writing answers ${answer.status} ${JSON.stringify(answer.json)}`);
}

let clusterPath: Promise<string> | undefined;

/** Where the v3 routes of the deployed cluster begin. */
export function v3Path(): Promise<string> {
  clusterPath ??= call("/v3/clusters").then(({ json }) => `/v3/clusters/${at(json, "data", 0, "cluster_id")}`);
  return clusterPath;
}

export async function makeTopic(name: string, partitionCount: number): Promise<void> {
  const json = { topic_name: name, partitions_count: partitionCount };
  const { status, json: answer } = await call(`${await v3Path()}/topics`, { method: "POST", json });
  if (status !== 201) throw new Error(`no topic ${name}: ${status} ${JSON.stringify(answer)}`);
}
