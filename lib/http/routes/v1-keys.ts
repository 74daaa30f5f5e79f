import { z } from "zod";
import { type ApiKeyState, KEY_OPERATIONS } from "#lib/cluster/api-key-state.ts";
import { formatKeyToken, hashSecret, newKeyToken } from "#lib/security/key-token.ts";
import { CLUSTER, requireAccess } from "../access.ts";
import { endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";

// Keys of this very door. Whoever has the right `admin` makes, lists and deletes them.

const right = z.object({
  operation: z.enum(KEY_OPERATIONS),
  pattern: z.string().describe("A name, a beginning of names with an asterisk behind it, or * for all"),
});

const describedKey = z.object({
  id: z.string(),
  name: z.string(),
  rights: z.array(right),
  requests_per_second: z.int().describe("0: without a limit"),
  created_at_ms: z.int(),
  expires_at_ms: z.int().nullable(),
});

const EXAMPLE = {
  id: "k3vq7xw2mznd5arb",
  name: "orders-ci",
  rights: [{ operation: "write", pattern: "orders-*" }],
  requests_per_second: 50,
  created_at_ms: 1_790_000_000_000,
  expires_at_ms: null,
};

const TAG = "keys (v1)";

const createKey = endpoint(
  {
    method: "post",
    path: "/v1/keys",
    area: "v1",
    tag: TAG,
    operationId: "createKey",
    summary: "Make a key",
    description: "The key itself is in this answer and nowhere else: the cluster keeps a hash.",
    body: {
      "application/json": z.object({
        name: z.string().default(""),
        rights: z.array(right),
        requests_per_second: z.int().min(0).default(0),
        expires_at_ms: z.int().min(1).nullable().default(null),
      }),
    },
    bodyExamples: { "application/json": { name: EXAMPLE.name, rights: EXAMPLE.rights, requests_per_second: 50 } },
    answers: {
      201: {
        description: "The key",
        schema: describedKey.extend({ key: z.string() }),
        example: { ...EXAMPLE, key: `mr_${EXAMPLE.id}_${"x".repeat(43)}` },
      },
    },
  },
  async ({ body, principal, runtime, signal }) => {
    requireAccess(principal, "alter", CLUSTER);
    const { keyAdmin, random, cluster } = runtime.broker;
    const token = newKeyToken(random);
    const key = {
      keyId: token.keyId,
      secretHash: hashSecret(token.secret),
      name: body.name,
      rights: body.rights,
      requestsPerSecond: body.requests_per_second,
      expiresAtMs: body.expires_at_ms ?? undefined,
    };
    const result = await keyAdmin.create(key, signal);
    if (result.kind === "refused") throw httpErrorOf(result.error, result.message);
    const createdAtMs = cluster.apiKey(key.keyId)?.createdAtMs ?? cluster.nowMs();
    return { status: 201, value: { ...describe({ ...key, createdAtMs }), key: formatKeyToken(token) } };
  },
);

const listKeys = endpoint(
  {
    method: "get",
    path: "/v1/keys",
    area: "v1",
    tag: TAG,
    operationId: "listKeys",
    summary: "List keys, without what they are",
    answers: {
      200: {
        description: "Keys in the order of their making",
        schema: z.object({ keys: z.array(describedKey) }),
        example: { keys: [EXAMPLE] },
      },
    },
  },
  async ({ principal, runtime, signal }) => {
    requireAccess(principal, "alter", CLUSTER);
    return { value: { keys: (await runtime.broker.keyAdmin.list(signal)).map(describe) } };
  },
);

const deleteKey = endpoint(
  {
    method: "delete",
    path: "/v1/keys/{id}",
    area: "v1",
    tag: TAG,
    operationId: "deleteKey",
    summary: "Delete a key",
    description: "Other processes go on taking it until they have heard of that: a few seconds at most.",
    params: z.object({ id: z.string() }),
    answers: { 204: { description: "It is gone" } },
    refusals: { 404: "40400: there is no such key" },
  },
  async ({ params, principal, runtime, signal }) => {
    requireAccess(principal, "alter", CLUSTER);
    const result = await runtime.broker.keyAdmin.delete(params.id, signal);
    if (result.kind === "refused") throw httpErrorOf(result.error, result.message);
    return {};
  },
);

export const V1_KEY_ROUTES = [createKey, listKeys, deleteKey];

function describe(key: Omit<ApiKeyState, "secretHash">): z.input<typeof describedKey> {
  return {
    id: key.keyId,
    name: key.name,
    rights: key.rights.map(({ operation, pattern }) => ({ operation, pattern })),
    requests_per_second: key.requestsPerSecond,
    created_at_ms: key.createdAtMs,
    expires_at_ms: key.expiresAtMs ?? null,
  };
}
