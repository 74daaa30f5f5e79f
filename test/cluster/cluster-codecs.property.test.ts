import fc from "fast-check";
import { expect, test } from "vitest";
import { initialClusterState } from "#lib/cluster/cluster-state.ts";
import { clusterStateMachine } from "#lib/cluster/cluster-state-machine.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { clusterCommand as command } from "./arbitrary-command.ts";

const { fold, encodeCommand, decodeCommand, encodeState, decodeState, encodeOutcome } = clusterStateMachine;

function encoded(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.toBytes();
}

test("a command reads as it was written", () => {
  fc.assert(
    fc.property(command, (each) => {
      const reader = new ByteReader(encoded((writer) => encodeCommand(each, writer)));
      expect(decodeCommand(reader)).toEqual(each);
      reader.end();
    }),
  );
});

test("a restored state folds on as the state itself does, byte for byte", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40 }), fc.array(command, { maxLength: 20 }), (before, after) => {
      const state = initialClusterState();
      const at = (seq: number) => ({ seq, indexInRecord: 0, proposedAtMs: 1_700_000_000_000 + seq });
      for (const [index, each] of before.entries()) fold(state, each, at(index + 1));
      const snapshot = encoded((writer) => encodeState(state, writer));
      const restored = decodeState(new ByteReader(snapshot));
      expect(restored).toEqual(state);
      expect(encoded((writer) => encodeState(restored, writer))).toEqual(snapshot);
      after.forEach((each, index) => {
        const outcome = (target: typeof state) => {
          const result = fold(target, each, at(before.length + index + 1));
          return encoded((writer) => encodeOutcome(result, writer));
        };
        expect(outcome(restored)).toEqual(outcome(state));
      });
      expect(encoded((writer) => encodeState(restored, writer))).toEqual(
        encoded((writer) => encodeState(state, writer)),
      );
    }),
  );
});

test("damaged bytes are a DecodeError, never anything else", () => {
  fc.assert(
    fc.property(
      fc.array(command, { minLength: 1, maxLength: 10 }),
      fc.nat(),
      fc.nat({ max: 255 }),
      (all, where, byte) => {
        const state = initialClusterState();
        for (const [index, each] of all.entries())
          fold(state, each, { seq: index + 1, indexInRecord: 0, proposedAtMs: 1 });
        const bytes = encoded((writer) => encodeState(state, writer));
        bytes[where % bytes.byteLength] = byte;
        for (const damaged of [bytes, bytes.subarray(0, where % bytes.byteLength)]) {
          try {
            decodeState(new ByteReader(damaged));
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
        }
      },
    ),
  );
});
