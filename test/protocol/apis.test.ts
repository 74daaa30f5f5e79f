import { describe, expect, test } from "vitest";
import { ApiKey, apiName } from "#lib/protocol/api-key.ts";
import { ALL_APIS, findApi } from "#lib/protocol/apis.ts";
import { ErrorCode, errorName, isRetriable } from "#lib/protocol/error-code.ts";
import { errorMessage } from "#lib/protocol/error-message.ts";
import { parseVersions } from "#lib/protocol/versions.ts";

// The union of what Apache Kafka 3.9.2 and 4.3.1 offer, but Produce and Fetch as 4.3.1 alone; with the first flexible
// version. Taken from `ApiKeys` of both kafka-clients.
const SPOKEN: Record<string, [versions: string, flexible: string]> = {
  PRODUCE: ["3-13", "9+"],
  FETCH: ["4-18", "12+"],
  LIST_OFFSETS: ["0-11", "6+"],
  METADATA: ["0-13", "9+"],
  OFFSET_COMMIT: ["0-10", "8+"],
  OFFSET_FETCH: ["0-10", "6+"],
  FIND_COORDINATOR: ["0-6", "3+"],
  JOIN_GROUP: ["0-9", "6+"],
  HEARTBEAT: ["0-4", "4+"],
  LEAVE_GROUP: ["0-5", "4+"],
  SYNC_GROUP: ["0-5", "4+"],
  DESCRIBE_GROUPS: ["0-6", "5+"],
  LIST_GROUPS: ["0-5", "3+"],
  API_VERSIONS: ["0-4", "3+"],
  CREATE_TOPICS: ["0-7", "5+"],
  DELETE_TOPICS: ["0-6", "4+"],
  DELETE_RECORDS: ["0-2", "2+"],
  INIT_PRODUCER_ID: ["0-5", "2+"],
  OFFSET_FOR_LEADER_EPOCH: ["0-4", "4+"],
  DESCRIBE_ACLS: ["0-3", "2+"],
  DESCRIBE_CONFIGS: ["0-4", "4+"],
  ALTER_CONFIGS: ["0-2", "2+"],
  DESCRIBE_LOG_DIRS: ["0-5", "2+"],
  CREATE_PARTITIONS: ["0-3", "2+"],
  DELETE_GROUPS: ["0-2", "2+"],
  ELECT_LEADERS: ["0-2", "2+"],
  INCREMENTAL_ALTER_CONFIGS: ["0-1", "1+"],
  OFFSET_DELETE: ["0", "none"],
  ALTER_PARTITION_REASSIGNMENTS: ["0-1", "0+"],
  LIST_PARTITION_REASSIGNMENTS: ["0", "0+"],
  DESCRIBE_CLIENT_QUOTAS: ["0-1", "1+"],
  DESCRIBE_CLUSTER: ["0-2", "0+"],
  CONSUMER_GROUP_HEARTBEAT: ["0-1", "0+"],
  CONSUMER_GROUP_DESCRIBE: ["0-1", "0+"],
  DESCRIBE_PRODUCERS: ["0", "0+"],
  DESCRIBE_TOPIC_PARTITIONS: ["0", "0+"],
};

test("every API has the versions that Kafka offers", () => {
  const ours = Object.fromEntries(ALL_APIS.map((api) => [apiName(api.apiKey), api]));
  expect(Object.keys(ours).sort()).toEqual(Object.keys(SPOKEN).sort());
  for (const [name, [versions, flexible]] of Object.entries(SPOKEN)) {
    expect([name, ours[name]?.stableVersions]).toEqual([name, parseVersions(versions)]);
    expect([name, ours[name]?.request.flexibleVersions]).toEqual([name, parseVersions(flexible)]);
    expect([name, ours[name]?.response.flexibleVersions]).toEqual([name, parseVersions(flexible)]);
  }
});

test("InitProducerId v6 can be read but is not offered", () => {
  expect(findApi(ApiKey.INIT_PRODUCER_ID)?.versions).toEqual({ min: 0, max: 6 });
});

test("an API is found by its key", () => {
  for (const api of ALL_APIS) expect(findApi(api.apiKey)).toBe(api);
  expect(findApi(ApiKey.FETCH_SNAPSHOT)).toBeUndefined();
  expect([apiName(0), apiName(1234)]).toEqual(["PRODUCE", "API 1234"]);
});

describe("error codes", () => {
  test("run from -1 to 133 without a gap", () => {
    expect(Object.values(ErrorCode)).toEqual(Array.from({ length: 135 }, (_, i) => i - 1));
  });

  test("have a name and a text each", () => {
    for (const [name, code] of Object.entries(ErrorCode)) {
      expect(errorName(code)).toBe(name);
      expect(errorMessage(code)).toMatch(/^[^ ].*\.?$/);
    }
    expect([errorName(999), errorMessage(999)]).toEqual(["error 999", "Error 999."]);
  });

  test("are retriable where Kafka's clients retry", () => {
    expect(isRetriable(ErrorCode.NOT_LEADER_OR_FOLLOWER)).toBe(true);
    expect(isRetriable(ErrorCode.UNKNOWN_TOPIC_ID)).toBe(true);
    expect(isRetriable(ErrorCode.MESSAGE_TOO_LARGE)).toBe(false);
    expect(isRetriable(ErrorCode.UNKNOWN_SERVER_ERROR)).toBe(false);
    expect(Object.values(ErrorCode).filter(isRetriable)).toHaveLength(32);
  });
});

test("version ranges are read in Kafka's notation", () => {
  expect(parseVersions("3-12")).toEqual({ min: 3, max: 12 });
  expect(parseVersions("9+")).toEqual({ min: 9, max: 32767 });
  expect(parseVersions("0")).toEqual({ min: 0, max: 0 });
  expect(parseVersions("none").max).toBeLessThan(parseVersions("none").min);
  expect(() => parseVersions("3-")).toThrow("not a version range");
});
