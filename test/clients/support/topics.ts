import { Admin } from "@platformatic/kafka";
import type { Broker } from "./broker.ts";
import { sleep } from "./processes.ts";

let topicsMade = 0;

export interface TopicOptions {
  readonly partitions?: number;
  readonly configs?: Readonly<Record<string, string>>;
}

/** Creates a topic under a name of its own and answers the name. */
export async function newTopic(broker: Broker, label: string, options: TopicOptions = {}): Promise<string> {
  topicsMade += 1;
  const topic = `${label}-${topicsMade}`;
  await createTopic(broker, topic, options);
  return topic;
}

export async function createTopic(broker: Broker, topic: string, options: TopicOptions = {}): Promise<void> {
  const admin = new Admin({ clientId: "client-checks", bootstrapBrokers: [broker.address] });
  try {
    const configs = Object.entries(options.configs ?? {}).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [topic], partitions: options.partitions ?? 1, replicas: 1, configs });
  } finally {
    await admin.close();
  }
}

/** Tries again until `probe` answers true. A real broker's answers may trail behind what it has accepted. */
export async function eventually(what: string, probe: () => Promise<boolean>, limitMs = 10_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await probe())) {
    if (performance.now() > endMs) throw new Error(`${what}: not so after ${limitMs} ms`);
    await sleep(100);
  }
}
