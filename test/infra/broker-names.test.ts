import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { promisify } from "node:util";
import { App, NestedStack, Stack } from "aws-cdk-lib";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { expect, test } from "vitest";
import { SettingsError } from "#lib/config/serve-settings.ts";
import { BrokerNames, connectCheck } from "../../infra/broker-names.ts";

const run = promisify(execFile);

function stackNamed(stackName: string): Stack {
  return new Stack(new App(), "stack", { stackName });
}

function namesIn(scope: Construct, domain?: string): BrokerNames {
  const vpc = Vpc.fromVpcAttributes(scope, "Vpc", { vpcId: "vpc-1", availabilityZones: ["a"] });
  return new BrokerNames(scope, "Names", { vpc, domain });
}

test("brokers' names end with the stack's", () => {
  expect(namesIn(stackNamed("a".repeat(63))).hostOf(7)).toBe(`broker-7.${"a".repeat(63)}.internal`);
});

test.each(["a".repeat(64), "ends-"])(
  "a stack's name that is no label is refused, unless there is a domain: %s",
  (name) => {
    expect(() => namesIn(stackNamed(name))).toThrow(SettingsError);
    expect(() => namesIn(stackNamed(name))).toThrow(name);
    expect(namesIn(stackNamed(name), "kafka.example").hostOf(0)).toBe("broker-0.kafka.example");
  },
);

test.each(["kafka", "", "a..b", "under_score.internal", "-a.internal", "a.internal.", `${"a.".repeat(126)}a`])(
  "a domain that is none is refused: %j",
  (domain) => {
    expect(() => namesIn(stackNamed("s"), domain)).toThrow(/cannot be the domain/);
  },
);

test("a nested stack, whose name nobody knows yet, needs a domain", () => {
  const nested = (): Stack => new NestedStack(stackNamed("s"), "Nested");
  expect(() => namesIn(nested())).toThrow(/give a domain/);
  expect(namesIn(nested(), "kafka.internal").hostOf(0)).toBe("broker-0.kafka.internal");
});

test("a container's check passes where something listens, and not where nothing does", async () => {
  const server = createServer((socket) => socket.end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const script = connectCheck(port).command.slice(2);
  await run(process.execPath, script);
  server.close();
  await once(server, "close");
  await expect(run(process.execPath, script)).rejects.toMatchObject({ code: 1 });
});
