import { parseArgs } from "node:util";
import { FaultProxy } from "./proxy.ts";

const HELP = `node test/localstack/faults/main.ts TARGET_URL [--port PORT]
A proxy before an emulator that refuses, delays and loses requests by rules:
  curl -X PUT URL/_faults -d '[{"match": "PutItem", "fault": "lose-answer", "probability": 0.1}]'
The faults are listed in test/localstack/faults/rules.ts.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string", default: "0" }, help: { type: "boolean", default: false } },
});
const [target] = positionals;
if (values.help || target === undefined || positionals.length > 1) {
  process.stdout.write(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  const proxy = await FaultProxy.start({ target, port: Number(values.port) });
  console.log(`ready ${proxy.url}`);
}
