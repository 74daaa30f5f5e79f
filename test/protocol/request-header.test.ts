import { describe, expect, test } from "vitest";
import { ALL_APIS, Apis } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { encodeRequestFrame, parseRequestHeader } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame, encodeResponseFrame, responseCorrelationId } from "#lib/protocol/response-frame.ts";
import { REQUEST_BYTES_MAX } from "#lib/util/limits.ts";
import { joined } from "./arbitrary.ts";

const only = (chunks: readonly Uint8Array[]) => {
  const frames = new FrameSplitter(REQUEST_BYTES_MAX).push(joined(chunks));
  expect(frames).toHaveLength(1);
  return frames[0] ?? new Uint8Array(0);
};

describe("the header of a request", () => {
  test("is read as the Java client 4.3.1 writes it", () => {
    const { header, body } = parseRequestHeader(Buffer.from("00010011000000070006676f6c64656e00aa", "hex"));
    expect(header).toEqual({
      apiKey: 1,
      apiVersion: 17,
      correlationId: 7,
      clientId: "golden",
      responseHeaderVersion: 1,
    });
    expect(body).toEqual(Buffer.from("aa", "hex"));
  });

  test("has tagged fields only with flexible versions, and unknown ones are skipped", () => {
    expect(parseRequestHeader(Buffer.from("0001000b00000007ffffaa", "hex"))).toMatchObject({
      header: { clientId: null, responseHeaderVersion: 0 },
      body: Buffer.from("aa", "hex"),
    });
    expect(parseRequestHeader(Buffer.from("0001001100000007ffff010502bbbbaa", "hex")).body).toEqual(
      Buffer.from([0xaa]),
    );
  });

  test.each(ALL_APIS)("of $name is written and read in every version", (api) => {
    for (let apiVersion = api.versions.min; apiVersion <= api.versions.max; apiVersion++) {
      for (const clientId of [null, "", "a client"]) {
        const body = Object.fromEntries(
          Object.entries(api.request.fields).map(([name, field]) => [
            name,
            field.type.kind === "array" ? [] : undefined,
          ]),
        );
        const frame = only(encodeRequestFrame(api, { apiVersion, correlationId: -5, clientId }, body));
        const parsed = parseRequestHeader(frame);
        expect(parsed.header).toMatchObject({ apiKey: api.apiKey, apiVersion, correlationId: -5, clientId });
        decode(api.request, apiVersion, parsed.body);
      }
    }
  });

  test("of an unknown API, or an unknown version, is refused", () => {
    expect(() => parseRequestHeader(Buffer.from("7fff0000000000070000", "hex"))).toThrow("API 32767 is not supported");
    expect(() => parseRequestHeader(Buffer.from("00010013000000070000", "hex"))).toThrow("Fetch has no version 19");
    expect(() => parseRequestHeader(Buffer.from("0001ffff000000070000", "hex"))).toThrow("Fetch has no version -1");
    expect(() => parseRequestHeader(Buffer.from("000100", "hex"))).toThrow(ProtocolError);
  });

  test("of ApiVersions in a version of the future can still be answered", () => {
    const { header } = parseRequestHeader(Buffer.from("0012006300000007fffffefefefe", "hex"));
    expect(header).toEqual({
      apiKey: 18,
      apiVersion: 99,
      correlationId: 7,
      clientId: null,
      responseHeaderVersion: 0,
    });
  });
});

describe("a response", () => {
  test("carries the correlation id, and tagged fields with flexible versions", () => {
    const response = { brokers: [], topics: [] };
    const classic = only(encodeResponseFrame(Apis.METADATA, { apiVersion: 8, correlationId: 3 }, response));
    const flexible = only(encodeResponseFrame(Apis.METADATA, { apiVersion: 9, correlationId: 3 }, response));
    expect(Buffer.from(classic).toString("hex")).toMatch(/^0000000300000000/);
    expect(Buffer.from(flexible).toString("hex")).toMatch(/^000000030000000000/);
    expect([classic, flexible].map(responseCorrelationId)).toEqual([3, 3]);
    expect(decodeResponseFrame(Apis.METADATA, 9, flexible)).toMatchObject({ brokers: [], topics: [] });
  });

  test("of ApiVersions never has tagged fields in its header", () => {
    const response = { errorCode: 35, apiKeys: [] };
    for (let apiVersion = 0; apiVersion <= 4; apiVersion++) {
      const frame = only(encodeResponseFrame(Apis.API_VERSIONS, { apiVersion, correlationId: 1 }, response));
      expect(Buffer.from(frame).toString("hex").slice(0, 12)).toBe("000000010023");
      expect(decodeResponseFrame(Apis.API_VERSIONS, apiVersion, frame).errorCode).toBe(35);
    }
  });
});
