import { z } from "zod";
import { HTTP_STREAM_BYTES } from "#lib/util/limits.ts";
import type { Call } from "./endpoint.ts";
import { HttpError } from "./http-error.ts";
import type { HttpServices } from "./http-services.ts";
import { JSON_TYPE } from "./media-types.ts";
import { topicParam } from "./parameters.ts";

// What everything in v3 of the REST Proxy looks like: a resource says its kind, its address and its name, and points to
// related ones; a collection holds resources in `data`, all of them, so that there never is a next page.

export const CLUSTERS_PATH = "/v3/clusters";
const CLUSTER_PATH = `${CLUSTERS_PATH}/{cluster_id}`;

export const clusterParam = z.string().meta({ description: "The cluster's id.", example: "m1llraceExampleCluster" });

export const clusterParams = z.object({ cluster_id: clusterParam });
export const topicInCluster = z.object({ cluster_id: clusterParam, topic_name: topicParam });

/** What all endpoints of a cluster declare alike. */
export function inCluster(tag: string, path: string) {
  return { area: "v3", tag, path: `${CLUSTER_PATH}${path}` } as const;
}

type Step = string | number;

/** Addresses and names of one cluster's resources. A path is given in steps: `"topics", "orders", "partitions", 0`. */
export class V3Urls {
  readonly clusterId: string;
  readonly #base: string;

  constructor(origin: string, clusterId: string) {
    this.clusterId = clusterId;
    this.#base = `${origin}${CLUSTERS_PATH}/${encodeURIComponent(clusterId)}`;
  }

  to(...path: readonly Step[]): string {
    return [this.#base, ...path.map((step) => encodeURIComponent(step).replaceAll("%3A", ":"))].join("/");
  }

  related(...path: readonly Step[]) {
    return { related: this.to(...path) };
  }

  /** The fields that every resource begins with. */
  resource(kind: string, ...path: readonly Step[]) {
    return {
      kind,
      metadata: { self: this.to(...path), resource_name: `crn:///kafka=${this.clusterId}${nameOf(path)}` },
      cluster_id: this.clusterId,
    };
  }

  list<T>(kind: string, data: readonly T[], ...path: readonly Step[]) {
    return { kind: `${kind}List`, metadata: { self: this.to(...path), next: null }, data };
  }

  /** A collection that grows with the cluster: it is made as the client reads it, and never all in memory. */
  longList(kind: string, data: Iterable<unknown>, ...path: readonly Step[]): Response {
    const resources = data[Symbol.iterator]();
    let text = JSON.stringify(this.list(kind, [], ...path)).slice(0, -END_OF_LIST.length);
    let separator = "";
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          for (;;) {
            const { done, value } = resources.next();
            if (done === true) {
              controller.enqueue(encoder.encode(`${text}${END_OF_LIST}`));
              controller.close();
              return;
            }
            text += `${separator}${JSON.stringify(value)}`;
            separator = ",";
            if (text.length < HTTP_STREAM_BYTES) continue;
            controller.enqueue(encoder.encode(text));
            text = "";
            return;
          }
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { "content-type": JSON_TYPE } });
  }
}

/** For long lists: each resource is made when it is its turn. */
export function* eachOf<T, R>(items: Iterable<T>, resourceOf: (item: T) => R): Generator<R, void, undefined> {
  for (const item of items) yield resourceOf(item);
}

const encoder = new TextEncoder();
const END_OF_LIST = "]}";

/** `/topic=orders/partition=0/replica=1`: each collection in the singular with what it is asked for. */
function nameOf(path: readonly Step[]): string {
  let name = "";
  for (let at = 0; at < path.length; at += 2) {
    const collection = String(path[at]);
    const member = path[at + 1];
    name += member === undefined ? `/${collection}` : `/${collection.replace(/s$/, "")}=${member}`;
  }
  return name;
}

/** Addresses as the caller sees them. Fails with 404 if the path names another cluster than this one. */
export function v3Urls({
  params,
  request,
  runtime,
}: Pick<Call<{ readonly cluster_id: string }>, "params" | "request" | "runtime">): V3Urls {
  const { clusterId } = runtime.broker.identity;
  if (params.cluster_id !== clusterId) throw notFound(`There is no cluster ${shown(params.cluster_id)}.`);
  return urlsOf(request, runtime);
}

export function urlsOf(request: Request, { broker }: HttpServices): V3Urls {
  return new V3Urls(new URL(request.url).origin, broker.identity.clusterId);
}

export function notFound(message: string): HttpError {
  return new HttpError({ status: 404, message });
}

/** What a client has sent, within a message. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

export const Related = z.object({ related: z.string() }).meta({ id: "V3Related" });

/** The schema of a resource with `fields` of its own. */
export function resourceSchema<F extends z.ZodRawShape>(kind: string, fields: F) {
  return z
    .object({
      kind: z.literal(kind),
      metadata: z.object({ self: z.string(), resource_name: z.string() }),
      cluster_id: z.string(),
      ...fields,
    })
    .meta({ id: `V3${kind}` });
}

export function listSchema<T extends z.ZodType>(kind: string, item: T) {
  return z
    .object({
      kind: z.literal(`${kind}List`),
      metadata: z.object({ self: z.string(), next: z.null() }),
      data: z.array(item),
    })
    .meta({ id: `V3${kind}List` });
}

export const EXAMPLE_URLS = new V3Urls("http://localhost:8082", "m1llraceExampleCluster");

export const NO_CLUSTER = "there is no such cluster";
export const NO_TOPIC = `404: ${NO_CLUSTER}, or no such topic.`;
