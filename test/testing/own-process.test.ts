import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { run } from "../clients/support/processes.ts";

const SCRIPT = fileURLToPath(new URL("./first-ack.mjs", import.meta.url));
/** Here the sources are stripped of their types at the start, on a machine with other work; test/clients/package is strict. */
const FIRST_ACK_MS_MAX = 10_000;

test("a process with a TestBroker ends by itself when it has stopped", async () => {
  const finished = await run(process.execPath, [SCRIPT, "#lib/testing.ts"], { timeoutMs: 30_000 });
  expect(finished.code, finished.stderr).toBe(0);
  const { firstAckMs, importMs, startMs, ...said } = JSON.parse(finished.stdout);
  console.log(`first ack ${firstAckMs} ms after the import began (import ${importMs} ms, start ${startMs} ms)`);
  expect(said).toEqual({ node: process.version, errorCode: 0, records: 241, warnings: [] });
  expect(firstAckMs).toBeLessThan(FIRST_ACK_MS_MAX);
});

test("a start that fails leaves nothing open", async () => {
  const script = `
    const { TestBroker } = await import("#lib/testing.ts");
    const broker = await TestBroker.start();
    for (const options of [{ port: broker.port }, { topics: ["orders", "orders"] }, { configs: { slip: 1 } }]) {
      await TestBroker.start(options).catch((error) => console.log(error.name));
    }
    await broker.stop();
  `;
  const args = ["--input-type=module", "--eval", script];
  const finished = await run(process.execPath, args, { cwd: import.meta.dirname, timeoutMs: 30_000 });
  expect(finished).toEqual({
    code: 0,
    stdout: "ListenError\nTestBrokerOptionError\nBrokerConfigError\n",
    stderr: "",
  });
});
