import type { Endpoint } from "#lib/http/endpoint.ts";
import type { HttpHandler } from "./http-door.ts";
import { newRuntime } from "./runtime.ts";

/** A function for HTTP. Its door and its routes are loaded while the services are asked what the broker needs to know. */
export async function serveHttp(name: string, routes: () => Promise<readonly Endpoint[]>): Promise<HttpHandler> {
  const runtime = newRuntime(name);
  const [{ newHttpHandler }, first] = await Promise.all([import("./http-door.ts"), routes()]);
  return await newHttpHandler(name, runtime, first);
}
