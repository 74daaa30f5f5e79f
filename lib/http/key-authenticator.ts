import type { ApiKeyState, KeyRight } from "#lib/cluster/api-key-state.ts";
import type { Clock } from "#lib/runtime/clock.ts";
import type { IpRules } from "#lib/security/ip-rules.ts";
import type { KnownKeys } from "#lib/security/key-checker.ts";
import { KeyChecker } from "#lib/security/key-checker.ts";
import { allows, allowsSome } from "#lib/security/key-rights.ts";
import { RateLimiter } from "#lib/security/rate-limiter.ts";
import {
  ANYBODY,
  type HttpAuthenticator,
  type HttpOperation,
  type HttpPrincipal,
  type HttpResource,
} from "./access.ts";
import { HttpError } from "./http-error.ts";

export interface KeyAuthenticatorOptions {
  readonly keys: KnownKeys;
  /** False: everybody may do everything, keys are not looked at; addresses still are. */
  readonly isKeyNeeded: boolean;
  readonly addresses: IpRules;
  readonly clock: Clock;
  /** Ends what is under way when the process stops. */
  readonly signal: AbortSignal;
}

const CHALLENGE = { "www-authenticate": 'Bearer realm="millrace", Basic realm="millrace"' };

/**
 * Lets in who shows an API key, as `Authorization: Bearer KEY`, as `Authorization: Basic` with the key as password (for
 * clients that know nothing else), or as `X-Api-Key: KEY`.
 */
export class KeyAuthenticator implements HttpAuthenticator {
  readonly #options: KeyAuthenticatorOptions;
  readonly #checker: KeyChecker;
  readonly #rates: RateLimiter;

  constructor(options: KeyAuthenticatorOptions) {
    this.#options = options;
    this.#checker = new KeyChecker(options.keys, options.clock, options.signal);
    this.#rates = new RateLimiter(options.clock);
  }

  async authenticate(request: Request, clientAddress: string | undefined, signal: AbortSignal): Promise<HttpPrincipal> {
    this.requireAddress(clientAddress);
    if (!this.#options.isKeyNeeded) return ANYBODY;
    const token = presentedToken(request.headers);
    if (token === undefined) throw unauthorized("an API key is needed: Authorization: Bearer mr_…");
    const checked = await this.#checker.check(token, signal);
    if (checked.kind === "refused") throw unauthorized(checked.reason);
    this.#takeTurn(checked.key);
    return this.#principalOf(checked.key);
  }

  requireAddress(clientAddress: string | undefined): void {
    if (this.#options.addresses.permits(clientAddress)) return;
    throw new HttpError({ status: 403, errorCode: 40302, message: "This address may not call." });
  }

  #principalOf({ keyId, rights }: ApiKeyState): HttpPrincipal {
    return {
      name: `key ${keyId}`,
      may: (operation, resource) => mayDo(rights, operation, resource),
      requireValid: async () => {
        const fault = await this.#checker.faultOf(keyId);
        if (fault !== undefined) throw unauthorized(fault);
      },
    };
  }

  #takeTurn({ keyId, requestsPerSecond }: ApiKeyState): void {
    const waitMs = this.#rates.take(keyId, requestsPerSecond);
    if (waitMs === 0) return;
    throw new HttpError({
      status: 429,
      errorCode: 42901,
      message: `This key may send ${requestsPerSecond} requests a second.`,
      headers: { "retry-after": String(Math.ceil(waitMs / 1_000)) },
    });
  }
}

function unauthorized(reason: string): HttpError {
  return new HttpError({ status: 401, errorCode: 40101, message: `Unauthorized: ${reason}.`, headers: CHALLENGE });
}

function presentedToken(headers: Headers): string | undefined {
  const plain = headers.get("x-api-key");
  if (plain !== null) return plain.trim();
  const [, scheme = "", value = ""] = /^\s*(\w+)\s+(\S+)\s*$/.exec(headers.get("authorization") ?? "") ?? [];
  if (scheme.toLowerCase() === "bearer") return value;
  if (scheme.toLowerCase() !== "basic") return undefined;
  const decoded = Buffer.from(value, "base64").toString("utf8");
  return decoded.slice(decoded.indexOf(":") + 1);
}

/** The rights of keys are fewer than Kafka's operations: what changes the cluster or a topic itself is `admin`. */
function mayDo(rights: readonly KeyRight[], operation: HttpOperation, { kind, name }: HttpResource): boolean {
  if (kind === "group") return allows(rights, "group", name);
  if (kind === "cluster" && operation === "describe") return rights.length > 0;
  // As Kafka's IDEMPOTENT_WRITE: whoever writes to some topic may have a producer id.
  if (kind === "cluster") return allowsSome(rights, operation === "write" ? "write" : "admin");
  if (operation === "read" || operation === "write") return allows(rights, operation, name);
  if (operation === "describe") return allows(rights, "read", name) || allows(rights, "write", name);
  return allowsSome(rights, "admin");
}
