import { HttpRefusedError } from "#lib/client/errors.ts";
import { keyHeader, refusalText, routeUrl } from "#lib/client/http-door.ts";
import { parseUrl } from "./parse.ts";
import { CommandFailure } from "./usage-error.ts";

export interface HttpApiOptions {
  readonly url: string;
  readonly key?: string | undefined;
}

/**
 * Calls one route of the HTTPS door with JSON; resolves to the answer's body, null where it has none. Server and
 * command line are one version, so the answer is taken for what the route is declared to give.
 */
export async function callHttp<T>(
  { url, key }: HttpApiOptions,
  { method, path, body }: { readonly method: string; readonly path: string; readonly body?: unknown },
): Promise<T> {
  const base = parseUrl(url);
  const target = routeUrl(base, path);
  const headers = {
    accept: "application/json",
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...keyHeader(key),
  };
  const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  const response = await fetch(target, init).catch((error: unknown) => {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new CommandFailure(`cannot reach ${base.origin}: ${reason}`);
  });
  const text = await response.text();
  if (!response.ok) throw refusalOf(base.origin, response.status, text);
  try {
    return JSON.parse(text === "" ? "null" : text);
  } catch {
    throw new CommandFailure(
      `${base.origin} answers ${response.status} with something else than JSON: is it Millrace?`,
    );
  }
}

function refusalOf(origin: string, status: number, text: string): Error {
  const remedy = status === 401 ? "\nGive a key with --key or MILLRACE_KEY; millrace keys create makes one" : "";
  return new HttpRefusedError(`${origin} answers ${status}: ${refusalText(text)}${remedy}`, status);
}
