// What every client of the HTTPS door does alike, whatever it sends.

/** Where a route is below the base URL, which may have a path of its own. */
export function routeUrl(base: URL, path: string): URL {
  return new URL(`${base.pathname.replace(/\/+$/, "")}${path}`, base);
}

/** How a key is shown; nothing where there is none. */
export function keyHeader(key: string | undefined): Readonly<Record<string, string>> {
  return key === undefined ? {} : { authorization: `Bearer ${key}` };
}

/** Errors are JSON with a message; whatever else answers (a proxy, a page) is quoted shortly. */
export function refusalText(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === "object" && parsed !== null && "message" in parsed) return String(parsed.message);
  } catch {
    // Not JSON.
  }
  return body.slice(0, 200).replaceAll(/\s+/g, " ") || "no text";
}
