import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALL_APIS } from "#lib/protocol/apis.ts";
import { decode } from "#lib/protocol/codec.ts";
import {
  ConsumerProtocolAssignment,
  ConsumerProtocolSubscription,
  decodeAssignment,
  decodeSubscribedTopics,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "#lib/protocol/consumer-protocol.ts";
import { FrameSplitter } from "#lib/protocol/frame.ts";
import { ProtocolError } from "#lib/protocol/protocol-error.ts";
import { encodeRequestFrame, parseRequestHeader } from "#lib/protocol/request-header.ts";
import { decodeResponseFrame, encodeResponseFrame } from "#lib/protocol/response-frame.ts";
import { KIB } from "#lib/util/limits.ts";
import { arbitraryInput, versionsOf } from "../protocol/arbitrary.ts";
import { expectBounded } from "./hostile.ts";

const errors = [ProtocolError];
const RUNS = 25;
const withoutSize = (chunks: readonly Uint8Array[]): Uint8Array => Buffer.concat(chunks).subarray(4);

describe.each(ALL_APIS)("damaged frames of $name are a ProtocolError or decode, soon and in little memory:", (api) => {
  test("requests, header and message", () => {
    for (const apiVersion of versionsOf(api.request)) {
      const header = { apiVersion, correlationId: 7, clientId: "fuzz" };
      const sound = arbitraryInput(api.request, apiVersion).map((input) =>
        withoutSize(encodeRequestFrame(api, header, input)),
      );
      // The key and version in a changed header may be another API's; the broker then decodes that one.
      const read = (frame: Uint8Array) => {
        const parsed = parseRequestHeader(frame);
        const named = ALL_APIS.find((each) => each.apiKey === parsed.header.apiKey) ?? api;
        return decode(named.request, parsed.header.apiVersion, parsed.body);
      };
      expectBounded(read, { sound, errors, runs: RUNS });
    }
  });

  test("responses, header and message", () => {
    for (const apiVersion of versionsOf(api.response)) {
      const sound = arbitraryInput(api.response, apiVersion).map((input) =>
        withoutSize(encodeResponseFrame(api, { apiVersion, correlationId: 7 }, input)),
      );
      expectBounded((frame) => decodeResponseFrame(api, apiVersion, frame), { sound, errors, runs: RUNS });
    }
  });
});

describe("damaged bytes of the consumer protocol are a ProtocolError or decode, soon and in little memory:", () => {
  const versions = fc.constantFrom(...versionsOf(ConsumerProtocolSubscription));

  test("subscriptions", () => {
    const sound = versions.chain((version) =>
      arbitraryInput(ConsumerProtocolSubscription, version).map((input) =>
        encodeSubscription({ topics: [], ...input }, version),
      ),
    );
    expectBounded(decodeSubscription, { sound, errors });
    expectBounded(decodeSubscribedTopics, { sound, errors });
  });

  test("assignments", () => {
    const sound = versions.chain((version) =>
      arbitraryInput(ConsumerProtocolAssignment, version).map((input) =>
        encodeAssignment({ assignedPartitions: [], ...input }, version),
      ),
    );
    expectBounded(decodeAssignment, { sound, errors });
  });
});

describe("a stream of frames", () => {
  const frame = fc.uint8Array({ maxLength: 300 }).map((body) => {
    const size = Buffer.alloc(4);
    size.writeInt32BE(body.byteLength);
    return Buffer.concat([size, body]);
  });
  const stream = fc.array(frame, { maxLength: 8 }).map((frames) => Uint8Array.from(Buffer.concat(frames)));

  test("that is damaged holds no more than has arrived, whatever a size promises", () => {
    const read = (bytes: Uint8Array) => {
      const splitter = new FrameSplitter(4 * KIB);
      let arrived = 0;
      for (let at = 0; at < bytes.byteLength; at += 7) {
        const chunk = bytes.subarray(at, at + 7);
        arrived += chunk.byteLength;
        splitter.push(chunk);
        expect(splitter.heldBytes).toBeLessThanOrEqual(arrived);
      }
    };
    expectBounded(read, { sound: stream, errors });
  });
});
