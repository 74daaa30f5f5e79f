import { parseArgs } from "node:util";
import { KAFKA_VERSION } from "../clients/support/java.ts";
import { apiNamed, isBeyondSafe, runCase } from "./cases.ts";
import { KafkaClasses } from "./kafka-classes.ts";

// Replays cases of the codec oracle that a suite has reported: with an error's whole text and stack, or not at all.

const HELP = `node test/oracle/main.ts --api NAME --api-version N --seed N [options]
  --request | --response   which message (default --request)
  --side kafka|ours        who writes first (default kafka)
  --kafka VERSION          whose classes (default ${KAFKA_VERSION})
  --count N                so many seeds from there on (default 1)
  --print                  the first frame in hexadecimal digits, where Kafka writes first
`;

const { values: options } = parseArgs({
  options: {
    api: { type: "string" },
    "api-version": { type: "string" },
    seed: { type: "string" },
    request: { type: "boolean", default: false },
    response: { type: "boolean", default: false },
    side: { type: "string", default: "kafka" },
    kafka: { type: "string", default: KAFKA_VERSION },
    count: { type: "string", default: "1" },
    print: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

async function main(): Promise<number> {
  const api = apiNamed(options.api ?? "");
  const side = options.side === "ours" ? "ours" : "kafka";
  if (options.help || api === undefined || options["api-version"] === undefined || options.seed === undefined) {
    process.stdout.write(HELP);
    return options.help ? 0 : 2;
  }
  await using kafka = await KafkaClasses.start(options.kafka);
  const kind = { api, apiKey: api.apiKey, version: Number(options["api-version"]), isResponse: options.response, side };
  const first = Number(options.seed);
  if (options.print && side === "kafka") {
    const { frame } = await kafka.randomFrame(kind, first, isBeyondSafe(first));
    console.log(Buffer.from(frame).toString("hex"));
  }
  let failed = 0;
  for (let seed = first; seed < first + Number(options.count); seed++) {
    try {
      await runCase(kafka, { ...kind, side, seed });
    } catch (error) {
      failed += 1;
      console.log(`seed ${seed}:`, error);
    }
  }
  console.log(`${Number(options.count) - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
