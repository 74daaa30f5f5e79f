import type { JournalCapacity } from "#lib/config/journal-capacity.ts";
import { CostWorld } from "./cost-world.ts";
import type { CostTimes, Counted, ProvisionedUnits } from "./counted.ts";
import { FunctionFleet, functionSettings, Schedules } from "./function-fleet.ts";
import type { ProvisionedTable } from "./provisioned-table.ts";

const TOPIC = "bench";
const PARTITIONS = 6;
const RECORDS_PER_SECOND = 10;
const VALUE_BYTES = 500;
const HOUR_MS = 3_600_000;
const SOME_RECORDS = 50;
/** Target tracking makes so many for what it scales. */
const SCALING_ALARMS = 4;

export interface HttpsLoad {
  readonly storeCount: number;
  /** `even`: one producer at its rate; `random`: many that know nothing of each other (a Poisson process). */
  readonly arrivals: "even" | "random";
  readonly capacity: JournalCapacity;
}

/** 10 requests a second with a record each, through the functions' app, and the schedules beside them. */
export async function countHttps(load: HttpsLoad, times: CostTimes): Promise<Counted> {
  await using world = new CostWorld({ storeCount: load.storeCount, capacity: load.capacity, seed: 1 });
  return await world.run(produceOverHttps(world, load, times));
}

async function produceOverHttps(
  world: CostWorld,
  { storeCount, arrivals }: HttpsLoad,
  { warmUpSeconds, seconds }: CostTimes,
): Promise<Counted> {
  const settings = functionSettings(storeCount);
  const fleet = new FunctionFleet(world, settings);
  await world.createTopic(await world.start(settings), TOPIC, PARTITIONS);
  const stopping = new AbortController();
  const schedules = new Schedules(world, settings).run(stopping.signal);
  const body = newBody();
  const produce = async (forSeconds: number): Promise<number> => {
    const calls: Promise<void>[] = [];
    const meanMs = 1_000 / RECORDS_PER_SECOND;
    const count = forSeconds * RECORDS_PER_SECOND;
    for (let sent = 0; sent < count; sent++) {
      const share = (world.random.below(0x1_0000_0000) + 0.5) / 0x1_0000_0000;
      await world.clock.sleep(arrivals === "even" ? meanMs : -Math.log(share) * meanMs);
      calls.push(call(fleet, body));
    }
    await Promise.all(calls);
    return count * VALUE_BYTES;
  };
  await produce(warmUpSeconds);
  world.reset();
  const startedAtMs = world.clock.monotonicMs();
  const producedBytes = await produce(seconds);
  const { meter, table } = world;
  const lines = meter.lines();
  const { appendedUnits } = meter;
  const tookSeconds = (world.clock.monotonicMs() - startedAtMs) / 1_000;
  stopping.abort();
  await schedules;
  return { lines, appendedUnits, provisioned: unitsOf(table), producedBytes, seconds: tookSeconds };
}

function unitsOf(table: ProvisionedTable | undefined): ProvisionedUnits | undefined {
  if (table === undefined) return undefined;
  const { writes, reads } = table;
  const alarms = [writes, reads].filter(({ isScaled }) => isScaled).length * SCALING_ALARMS;
  return { writes: writes.peakUnits, reads: reads.peakUnits, throttled: writes.throttled + reads.throttled, alarms };
}

function newBody(): string {
  return JSON.stringify({ records: [{ value: Buffer.alloc(VALUE_BYTES, "bench ").toString("base64") }] });
}

async function call(fleet: FunctionFleet, body: string): Promise<void> {
  const headers = { "content-type": "application/vnd.kafka.binary.v2+json" };
  const response = await fleet.call(
    new Request(`https://functions/topics/${TOPIC}`, { method: "POST", headers, body }),
  );
  const text = await response.text();
  if (response.status !== 200 || text.includes('"error_code":5')) throw new Error(`HTTP ${response.status}: ${text}`);
}

/** Hours of a deployment with some records in it that nobody uses, when its schedules have slowed down. */
export async function countIdle(
  storeCount: number,
  { settleHours, hours }: { readonly settleHours: number; readonly hours: number },
): Promise<Counted> {
  await using world = new CostWorld({ storeCount, seed: 1 });
  const settings = functionSettings(storeCount);
  const broker = await world.run(world.start(settings));
  await world.run(world.createTopic(broker, TOPIC, PARTITIONS));
  const fleet = new FunctionFleet(world, settings);
  for (let sent = 0; sent < SOME_RECORDS; sent++) await world.run(call(fleet, newBody()));
  const stopping = new AbortController();
  const schedules = new Schedules(world, settings).run(stopping.signal);
  await world.leap(settleHours * HOUR_MS + 1);
  world.reset();
  await world.leap(hours * HOUR_MS);
  const lines = world.meter.lines();
  const { appendedUnits } = world.meter;
  stopping.abort();
  await world.run(schedules);
  return { lines, appendedUnits, producedBytes: 0, seconds: (hours * HOUR_MS) / 1_000 };
}
