import { afterEach, expect, test, vi } from "vitest";
import { newDynamoDbClient, newS3Client } from "#lib/adapters/aws/aws-clients.ts";

afterEach(() => vi.unstubAllEnvs());

/** With nothing of this machine's. */
function stubEnvironment(variables: Readonly<Record<string, string>>): void {
  for (const name of ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv("AWS_ENDPOINT_URL_DYNAMODB", undefined);
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
}

test("an endpoint in the environment stands for a service that is not AWS: its region hardly matters", async () => {
  stubEnvironment({ AWS_ENDPOINT_URL: "http://127.0.0.1:4566" });
  const client = newS3Client();
  expect(await client.config.region()).toBe("us-east-1");
  expect(await client.config.forcePathStyle).toBe(true);
});

test("variables that are empty are not set", async () => {
  stubEnvironment({ AWS_ENDPOINT_URL: "", AWS_ENDPOINT_URL_S3: "", AWS_REGION: "eu-west-1" });
  expect(await newS3Client().config.forcePathStyle).toBe(false);
  stubEnvironment({
    AWS_ENDPOINT_URL_DYNAMODB: "http://127.0.0.1:8000",
    AWS_REGION: "",
    AWS_DEFAULT_REGION: "eu-west-1",
  });
  expect(await newDynamoDbClient().config.region()).toBe("eu-west-1");
});
