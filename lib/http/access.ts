import { HttpError } from "./http-error.ts";

// The hook for keys: who calls, and what they may do. Until somebody turns it on, everybody may do everything.

/** In the words of Kafka's ACLs. */
export type HttpOperation = "read" | "write" | "create" | "delete" | "alter" | "describe";

export interface HttpResource {
  readonly kind: "topic" | "group" | "cluster";
  /** Empty for the cluster. */
  readonly name: string;
}

export const CLUSTER: HttpResource = { kind: "cluster", name: "" };

export function topicResource(name: string): HttpResource {
  return { kind: "topic", name };
}

export function groupResource(name: string): HttpResource {
  return { kind: "group", name };
}

export interface HttpPrincipal {
  /** For logs. */
  readonly name: string;
  may(operation: HttpOperation, resource: HttpResource): boolean;
  /** Rejects with `HttpError` 401 once the caller's key is deleted or has expired. Left out where there is no key. */
  requireValid?(): Promise<void>;
}

export interface HttpAuthenticator {
  /**
   * Who is calling. Rejects with `HttpError`: 401 without a valid key, 403 for an address that may not call, 429 beyond
   * the caller's rate. Runs before anything else of a request is looked at, except for open routes.
   */
  authenticate(request: Request, clientAddress: string | undefined, signal: AbortSignal): Promise<HttpPrincipal>;
  /** What is asked of open routes: fails with `HttpError` 403 for an address that may not call. Left out: all may. */
  requireAddress?(clientAddress: string | undefined): void;
}

export const ANYBODY: HttpPrincipal = { name: "anonymous", may: () => true };

/** Everybody may do everything. */
export const OPEN_ACCESS: HttpAuthenticator = { authenticate: async () => ANYBODY };

/** Fails with 403 unless the caller may. */
export function requireAccess(principal: HttpPrincipal, operation: HttpOperation, resource: HttpResource): void {
  if (principal.may(operation, resource)) return;
  const target = resource.name === "" ? `the ${resource.kind}` : `${resource.kind} ${resource.name}`;
  throw new HttpError({ status: 403, errorCode: 40301, message: `This key has no right to ${operation} ${target}.` });
}
