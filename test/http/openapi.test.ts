import { expect, test } from "vitest";
import { openApiDocument } from "#lib/http/openapi.ts";
import { ROUTES } from "#lib/http/routes.ts";
import { HttpWorld } from "./http-world.ts";

// biome-ignore lint/suspicious/noExplicitAny: a document of any shape.
const document: any = JSON.parse(JSON.stringify(openApiDocument(ROUTES)));

test("the document is served, is OpenAPI 3.1 and has every route once", async () => {
  await using world = await HttpWorld.start();
  const { status, body } = await world.json("/openapi.json");
  expect([status, body.openapi]).toEqual([200, "3.1.0"]);
  const operations = Object.entries<object>(body.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
  expect(operations.sort()).toEqual(ROUTES.map(({ spec }) => `${spec.method} ${spec.path}`).sort());
});

test("every reference leads somewhere", () => {
  const names = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) {
    const [, , kind = "", id = ""] = name.split("/");
    expect(document.components[kind]?.[id], name).toBeDefined();
  }
  expect(JSON.stringify(document)).not.toContain("$defs");
  for (const [id, schema] of Object.entries(document.components.schemas)) {
    expect(schema, id).not.toHaveProperty("$ref");
  }
});

test("every operation has an id of its own, a summary and a described answer", () => {
  const ids = ROUTES.map(({ spec }) => spec.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { spec } of ROUTES) {
    const operation = document.paths[spec.path][spec.method];
    expect(operation.summary, spec.path).not.toBe("");
    const parameters = [...spec.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = (operation.parameters ?? []).filter((each: { in: string }) => each.in === "path");
    expect(declared.map(({ name }: { name: string }) => name)).toEqual(parameters);
    expect(Object.keys(operation.responses).some((status) => status.startsWith("2"))).toBe(true);
  }
});

test("examples fit their own schemas", () => {
  for (const { spec } of ROUTES) {
    for (const [type, example] of Object.entries(spec.bodyExamples ?? {})) {
      const result = spec.body?.[type]?.safeParse(example);
      expect(result?.error?.message, `${spec.path} ${type}`).toBeUndefined();
    }
    for (const [status, { schema, example }] of Object.entries(spec.answers)) {
      if (schema === undefined || example === undefined) continue;
      expect(schema.safeParse(example).error?.message, `${spec.path} ${status}`).toBeUndefined();
    }
  }
});
