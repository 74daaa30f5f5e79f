import { expect } from "vitest";
import type { Endpoint } from "#lib/http/endpoint.ts";
import { openApiDocument } from "#lib/http/openapi.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { HttpWorld, type HttpWorldOptions, type JsonAnswer } from "./http-world.ts";

/** The app seen by its v3 routes. Whatever is answered is held against the schema that the document shows for it. */
export class V3World implements AsyncDisposable {
  readonly world: HttpWorld;
  readonly clusterId: string;

  static async start(options: HttpWorldOptions = {}): Promise<V3World> {
    return new V3World(await HttpWorld.start(options));
  }

  static over(world: HttpWorld): V3World {
    return new V3World(world);
  }

  private constructor(world: HttpWorld) {
    this.world = world;
    this.clusterId = world.broker.broker.services.identity.clusterId;
  }

  /** A path within the cluster, as requests begin it. */
  path(path: string): string {
    return `/v3/clusters/${this.clusterId}${path}`;
  }

  /** The same as answers show it. */
  url(path: string): string {
    return `http://localhost${this.path(path)}`;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<JsonAnswer> {
    return this.send("GET", path, undefined, headers);
  }

  /** An object becomes JSON; text is sent as it is. */
  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<JsonAnswer> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const sent = body === undefined ? {} : { body: text, headers: { "content-type": "application/json", ...headers } };
    const answer = await this.world.json(this.path(path), { method, headers, ...sent });
    expectDocumented(method, this.path(path), answer);
    return answer;
  }

  /** Sends and expects a refusal; its text. */
  async refused(status: number, method: string, path: string, body?: unknown): Promise<string> {
    const answer = await this.send(method, path, body);
    expect([answer.status, answer.body.error_code], `${method} ${path}`).toEqual([status, status]);
    expect(answer.type).toBe("application/json");
    expect(answer.body.message).not.toBe("");
    return answer.body.message;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape.
const document: any = openApiDocument(ROUTES);

function expectDocumented(method: string, path: string, { status, body }: JsonAnswer): void {
  const spec = ROUTES.find((each) => isFor(each, method, path))?.spec;
  if (spec === undefined) return;
  const documented = Object.keys(document.paths[spec.path][spec.method].responses);
  expect(documented, `${method} ${path}`).toContain(String(status));
  const schema = spec.answers[status]?.schema;
  if (schema === undefined || typeof body !== "object") return;
  expect(schema.safeParse(body).error?.message, `${method} ${path}`).toBeUndefined();
}

function isFor({ spec }: Endpoint, method: string, path: string): boolean {
  const pattern = spec.path.replaceAll(/\{\w+\}/g, "[^/]+");
  return spec.method.toUpperCase() === method && new RegExp(`^${pattern}$`).test(path);
}
