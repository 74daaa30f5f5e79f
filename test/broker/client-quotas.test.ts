import { expect, test } from "vitest";
import { Apis } from "#lib/protocol/apis.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { QuotaMatchType } from "#lib/protocol/messages/describe-client-quotas.ts";
import { AdminClient } from "./admin-client.ts";

type Component = readonly [entityType: string, matchType: number, match: string | null];

async function describeQuotas({ connection }: AdminClient, components: readonly Component[], version = 1) {
  return connection.send(Apis.DESCRIBE_CLIENT_QUOTAS, version, {
    components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
    strict: false,
  });
}

const { EXACT, DEFAULT, SPECIFIED } = QuotaMatchType;

test.each([0, 1])("version %i finds no quotas, whatever the filter", async (version) => {
  await using client = await AdminClient.start();
  const filters: readonly (readonly Component[])[] = [
    [],
    [["user", EXACT, "somebody"]],
    [
      ["user", SPECIFIED, null],
      ["client-id", DEFAULT, null],
    ],
    [["ip", EXACT, "127.0.0.1"]],
  ];
  for (const filter of filters) {
    const answer = await describeQuotas(client, filter, version);
    expect(answer).toEqual({ throttleTimeMs: 0, errorCode: ErrorCode.NONE, errorMessage: "", entries: [] });
  }
});

test.each<[string, number, string, readonly Component[]]>([
  ["no type", ErrorCode.INVALID_REQUEST, "Invalid empty entity type.", [["", EXACT, "x"]]],
  ["another type", ErrorCode.UNSUPPORTED_VERSION, "Unsupported entity type topic", [["topic", EXACT, "x"]]],
  ["no name", ErrorCode.INVALID_REQUEST, "MATCH_TYPE_EXACT, but set match string to null.", [["user", EXACT, null]]],
  ["a name for the default", ErrorCode.INVALID_REQUEST, "MATCH_TYPE_DEFAULT, but also", [["user", DEFAULT, "x"]]],
  ["a name for any", ErrorCode.INVALID_REQUEST, "MATCH_TYPE_SPECIFIED, but also", [["user", SPECIFIED, "x"]]],
  ["another match", ErrorCode.INVALID_REQUEST, "Unknown match type 9", [["user", 9, null]]],
  [
    "a type twice",
    ErrorCode.INVALID_REQUEST,
    "Entity type user cannot appear more than once in the filter.",
    [
      ["user", EXACT, "x"],
      ["user", DEFAULT, null],
    ],
  ],
  [
    "an address and a user",
    ErrorCode.INVALID_REQUEST,
    "IP filter component should not be used with user or clientId",
    [
      ["ip", EXACT, "127.0.0.1"],
      ["user", EXACT, "x"],
    ],
  ],
])("a filter with %s is refused", async (_, errorCode, text, components) => {
  await using client = await AdminClient.start();
  const answer = await describeQuotas(client, components);
  expect(answer).toMatchObject({ errorCode, errorMessage: expect.stringContaining(text), entries: null });
});
