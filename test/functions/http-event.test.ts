import { expect, test } from "vitest";
import { requestOf, resultOf } from "../../functions/http-event.ts";
import { eventOf } from "./function-url-event.ts";

const NEVER = new AbortController().signal;

test("path, query, headers and a text body arrive as they were sent", async () => {
  const request = requestOf(
    eventOf({
      method: "POST",
      path: "/topics/a%2Fb",
      query: "x=1&x=2&y=%20",
      headers: { "content-type": "application/vnd.kafka.json.v2+json", "x-empty": undefined },
      body: '{"records":[{"value":"é"}]}',
    }),
    NEVER,
  );
  const url = new URL(request.url);
  expect([request.method, url.pathname, url.search]).toEqual(["POST", "/topics/a%2Fb", "?x=1&x=2&y=%20"]);
  expect(request.headers.get("content-type")).toBe("application/vnd.kafka.json.v2+json");
  expect(await request.json()).toEqual({ records: [{ value: "é" }] });
});

test("a base64 body arrives as its bytes", async () => {
  const bytes = Buffer.from([0, 255, 128, 10]);
  const request = requestOf(eventOf({ method: "POST", body: bytes }), NEVER);
  expect(Buffer.from(await request.arrayBuffer())).toEqual(bytes);
  expect(request.headers.get("content-length")).toBe("4");
});

test("a GET has no body, whatever the event says", async () => {
  const request = requestOf(eventOf({ method: "GET", body: "" }), NEVER);
  expect(request.body).toBeNull();
});

test("answers in JSON and text go out as text, everything else as base64", async () => {
  const answer = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
    resultOf(new Response(body, { status: 200, headers: { "content-type": type } }));
  expect(await answer('{"a":"é"}', "application/vnd.kafka.v2+json")).toMatchObject({
    body: '{"a":"é"}',
    isBase64Encoded: false,
  });
  expect(await answer("data: 1\n\n", "text/event-stream")).toMatchObject({ isBase64Encoded: false });
  expect(await answer(new Uint8Array([0, 255]), "application/octet-stream")).toMatchObject({
    body: "AP8=",
    isBase64Encoded: true,
  });
});

test("an answer without a body has an empty one, and its status and headers", async () => {
  const result = await resultOf(new Response(null, { status: 204, headers: { "next-offset": "7" } }));
  expect(result).toEqual({ statusCode: 204, headers: { "next-offset": "7" }, body: "", isBase64Encoded: false });
});

test("a large text goes out as base64 where quotes would make it longer than that", async () => {
  const headers = { "content-type": "application/json" };
  const quoted = JSON.stringify(new Array(400_000).fill("a"));
  expect(await resultOf(new Response(quoted, { headers }))).toMatchObject({ isBase64Encoded: true });
  const plain = JSON.stringify("a".repeat(2_000_000));
  expect(await resultOf(new Response(plain, { headers }))).toMatchObject({ isBase64Encoded: false, body: plain });
});

test("an answer that Lambda would not hand over is an error that says so", async () => {
  const result = await resultOf(new Response(new Uint8Array(5 * 1024 * 1024)));
  expect(result).toMatchObject({ statusCode: 413, isBase64Encoded: false });
  expect(JSON.parse(result.body ?? "")).toMatchObject({
    error_code: 41303,
    message: expect.stringMatching(/max_bytes/),
  });
});
