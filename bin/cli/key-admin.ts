import type { ApiKeyState, KeyOperation, KeyRight } from "#lib/cluster/api-key-state.ts";
import type { CreateKeyCommand } from "#lib/cluster/cluster-command.ts";
import type { ClusterJournal } from "#lib/cluster/cluster-state-machine.ts";
import { KeyAdmin } from "#lib/cluster/key-admin.ts";
import type { Random } from "#lib/runtime/random.ts";
import { formatKeyToken, hashSecret, newKeyToken } from "#lib/security/key-token.ts";
import { callHttp, type HttpApiOptions } from "./http-api.ts";
import { CommandFailure } from "./usage-error.ts";

/** A key as people see it: everything but the key. */
export interface ShownKey {
  readonly id: string;
  readonly name: string;
  readonly rights: readonly KeyRight[];
  readonly requestsPerSecond: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | undefined;
}

export type NewKey = Omit<CreateKeyCommand, "kind" | "keyId" | "secretHash">;

/** Where keys are made: over HTTPS with a key that may, or right in the cluster journal for whoever may write that. */
export interface Keys {
  /** Resolves to the text of the key, which nobody can ask for again. */
  create(key: NewKey): Promise<string>;
  list(): Promise<readonly ShownKey[]>;
  delete(keyId: string): Promise<void>;
}

const NEVER = new AbortController().signal;

export function keysInJournal(journal: ClusterJournal, random: Random): Keys {
  const admin = new KeyAdmin(journal);
  return {
    async create(key) {
      const token = newKeyToken(random);
      const command = { ...key, keyId: token.keyId, secretHash: hashSecret(token.secret) };
      const result = await admin.create(command, NEVER);
      if (result.kind === "refused") throw new CommandFailure(result.message);
      return formatKeyToken(token);
    },
    list: async () => (await admin.list(NEVER)).map(shownKey),
    async delete(keyId) {
      const result = await admin.delete(keyId, NEVER);
      if (result.kind === "refused") throw new CommandFailure(result.message);
    },
  };
}

function shownKey({ keyId, name, rights, requestsPerSecond, createdAtMs, expiresAtMs }: ApiKeyState): ShownKey {
  return { id: keyId, name, rights, requestsPerSecond, createdAtMs, expiresAtMs };
}

interface KeyJson {
  readonly id: string;
  readonly name: string;
  readonly rights: readonly { readonly operation: KeyOperation; readonly pattern: string }[];
  readonly requests_per_second: number;
  readonly created_at_ms: number;
  readonly expires_at_ms: number | null;
}

export function keysOverHttp(api: HttpApiOptions): Keys {
  return {
    async create({ name, rights, requestsPerSecond, expiresAtMs }) {
      const body = { name, rights, requests_per_second: requestsPerSecond, expires_at_ms: expiresAtMs ?? null };
      const answer = await callHttp<{ readonly key: string }>(api, { method: "POST", path: "/v1/keys", body });
      return answer.key;
    },
    async list() {
      const answer = await callHttp<{ readonly keys: readonly KeyJson[] }>(api, { method: "GET", path: "/v1/keys" });
      return answer.keys.map(({ id, name, rights, ...rest }) => ({
        id,
        name,
        rights,
        requestsPerSecond: rest.requests_per_second,
        createdAtMs: rest.created_at_ms,
        expiresAtMs: rest.expires_at_ms ?? undefined,
      }));
    },
    delete: (keyId) => callHttp<void>(api, { method: "DELETE", path: `/v1/keys/${encodeURIComponent(keyId)}` }),
  };
}
