import { z } from "zod";
import { answerTypesOf } from "./check-request.ts";
import type { Content, DocumentedAnswer, Endpoint, EndpointSpec } from "./endpoint.ts";
import { JSON_TYPE, V2_ANSWER_TYPES } from "./media-types.ts";

// OpenAPI 3.1 from the endpoints. Its schemas are JSON Schema 2020-12, which zod writes by itself: the very schemas that
// check requests.

type Json = Readonly<Record<string, unknown>>;

/** Schemas that bear an id stand once, under components. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** `io` says which side of a transform counts: what clients send, or what they get. */
  schema(schema: z.ZodType, io: "input" | "output"): Json {
    const { $defs = {}, $schema: _, ...own } = z.toJSONSchema(schema, { io, unrepresentable: "any", reused: "inline" });
    // A schema that bears an id is among the definitions itself, and a reference to it is what is left.
    for (const [name, definition] of Object.entries($defs)) this.#add(name, definition);
    return moveReferences(own);
  }

  #add(name: string, definition: unknown): void {
    const { id: _, ...rest } = moveReferences(definition);
    this.schemas[name] = rest;
  }
}

/** `#/$defs/X` becomes `#/components/schemas/X`, at any depth. */
function moveReferences(value: unknown): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value).replaceAll('"#/$defs/', '"#/components/schemas/'));
}

const ErrorSchema = z
  .object({
    error_code: z.int().meta({ description: "The status, or the status and two digits that say more." }),
    message: z.string(),
  })
  .meta({ id: "Error" });

/** What every endpoint may answer. */
const COMMON_REFUSALS: Readonly<Record<number, string>> = {
  400: "The request cannot be understood.",
  401: "40101: there is no valid key.",
  403: "40301: the key has no right to do so.",
  406: "Accept names no form that this route has.",
  429: "42901: too many requests with this key.",
  500: "50002: an unexpected error.",
  503: "50302: not available at the moment; try again.",
  504: "50401: the time for the request is over; nobody knows whether it was carried out.",
};
const BODY_REFUSALS: Readonly<Record<number, string>> = {
  413: "41301: the body is too large.",
  415: "The body is of a type that this route does not take.",
  422: "The body does not say what is expected.",
};

const TAGS = [
  { name: "topics", description: "Topics and partitions (REST Proxy v2)." },
  { name: "produce", description: "Writing records (REST Proxy v2)." },
  { name: "consumers", description: "Reading as members of a group, or from partitions by hand (REST Proxy v2)." },
  { name: "records", description: "Reading and writing by partition and offset (our own)." },
  { name: "clusters (v3)", description: "The cluster and its brokers (REST Proxy v3)." },
  { name: "topics (v3)", description: "Topics: list, make, grow, delete (REST Proxy v3)." },
  { name: "partitions (v3)", description: "Partitions and replicas (REST Proxy v3)." },
  { name: "configs (v3)", description: "Configs of topics and brokers (REST Proxy v3)." },
  { name: "records (v3)", description: "Writing records, one, a stream or a batch (REST Proxy v3)." },
  { name: "consumer groups (v3)", description: "Groups, members and lags (REST Proxy v3)." },
  { name: "acls (v3)", description: "Not served: rights go with keys." },
  { name: "service", description: "For operators and tools." },
];

export function openApiDocument(endpoints: readonly Endpoint[]): Json {
  const components = new Components();
  const paths: Record<string, Record<string, Json>> = {};
  for (const { spec } of endpoints) {
    const path = paths[spec.path] ?? {};
    path[spec.method] = operationOf(spec, components);
    paths[spec.path] = path;
  }
  const tags = new Set(endpoints.map(({ spec }) => spec.tag));
  return {
    openapi: "3.1.0",
    info: {
      title: "Millrace",
      version: "1",
      description: "A Kafka-compatible log on object storage. Conventions, limits and errors: docs/HTTP.md.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    security: [{}, { key: [] }],
    tags: [...tags].map((name) => TAGS.find((tag) => tag.name === name) ?? { name }),
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: { key: { type: "http", scheme: "bearer", description: "An API key, where keys are on." } },
    },
  };
}

function operationOf(spec: EndpointSpec, components: Components): Json {
  const { operationId, tag, summary, description, body = spec.streamedBody } = spec;
  const parameters = [
    ...parametersOf(spec.params, "path"),
    ...parametersOf(spec.query, "query"),
    ...parametersOf(spec.headers, "header"),
  ];
  return {
    operationId,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(spec.isOpen === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: bodyOf(spec, body, components) }),
    responses: { ...answersOf(spec, components), ...refusalsOf(spec, components) },
  };
}

function parametersOf(schema: z.ZodType | undefined, where: "path" | "query" | "header"): readonly Json[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
  return Object.entries(properties).map(([name, property]) => {
    const { description, example, ...rest } = typeof property === "object" ? moveReferences(property) : {};
    return {
      name: where === "header" ? headerName(name) : name,
      in: where,
      required: where === "path" || required.includes(name),
      ...(description === undefined ? {} : { description }),
      ...(example === undefined ? {} : { example }),
      schema: rest,
    };
  });
}

/** `Producer-Id` of `producer-id`. */
function headerName(name: string): string {
  return name.replaceAll(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase());
}

function bodyOf(spec: EndpointSpec, body: Content, components: Components): Json {
  const content = Object.fromEntries(
    Object.entries(body).map(([type, schema]) => {
      const example = spec.bodyExamples?.[type];
      return [type, { schema: components.schema(schema, "input"), ...(example === undefined ? {} : { example }) }];
    }),
  );
  const isOptional = Object.values(body).some((schema) => schema.safeParse(undefined).success);
  return { required: !isOptional, content };
}

function answersOf(spec: EndpointSpec, components: Components): Json {
  return Object.fromEntries(
    Object.entries(spec.answers).map(([status, answer]) => [status, answerOf(spec, answer, components)]),
  );
}

function answerOf(spec: EndpointSpec, answer: DocumentedAnswer, components: Components): Json {
  const { description, schema, example, otherTypes = {}, headers } = answer;
  const own = schema === undefined ? undefined : { schema: components.schema(schema, "output") };
  const types = answerTypesOf(spec).filter((type) => otherTypes[type] === undefined);
  const content = Object.fromEntries([
    ...(own === undefined
      ? []
      : types.map((type) => [type, { ...own, ...(example === undefined ? {} : { example }) }])),
    ...Object.entries(otherTypes).map(([type, other]) => [type, { schema: components.schema(other, "output") }]),
  ]);
  return {
    description,
    ...(headers === undefined ? {} : { headers: headersOf(headers) }),
    ...(Object.keys(content).length === 0 ? {} : { content }),
  };
}

function headersOf(headers: Readonly<Record<string, string>>): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      headerName(name),
      { description, schema: { type: "integer" } },
    ]),
  );
}

function refusalsOf(spec: EndpointSpec, components: Components): Json {
  const hasBody = (spec.body ?? spec.streamedBody) !== undefined;
  const texts = { ...COMMON_REFUSALS, ...(hasBody ? BODY_REFUSALS : {}), ...spec.refusals };
  const schema = components.schema(ErrorSchema, "output");
  const types = spec.area === "v2" ? V2_ANSWER_TYPES : [JSON_TYPE];
  return Object.fromEntries(
    Object.entries(texts).map(([status, description]) => [
      status,
      { description, content: Object.fromEntries(types.map((type) => [type, { schema }])) },
    ]),
  );
}
