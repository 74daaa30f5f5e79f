import fc from "fast-check";
import { describe, test } from "vitest";
import { groupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import { ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import { ByteWriter } from "#lib/util/byte-writer.ts";
import { classicCommands, consumerCommands } from "../coordinator/arbitrary-group-command.ts";
import { encodedState, FoldedGroups } from "../coordinator/group-fixtures.ts";
import { expectBounded } from "./hostile.ts";

const errors = [DecodeError];

/** Decodes as the journal does: a command or a state fills its bytes. */
function whole<T>(decode: (reader: ByteReader) => T): (bytes: Uint8Array) => T {
  return (bytes) => {
    const reader = new ByteReader(bytes);
    const value = decode(reader);
    reader.end();
    return value;
  };
}

const commands = fc.oneof(classicCommands, consumerCommands);

describe("damaged bytes are a DecodeError or decode, soon and in little memory:", () => {
  test("a command of a group journal", () => {
    const sound = commands.map((command) => {
      const writer = new ByteWriter();
      groupStateMachine.encodeCommand(command, writer);
      return writer.toBytes();
    });
    expectBounded(whole(groupStateMachine.decodeCommand), { sound, errors });
  });

  test("the state of a group journal", () => {
    const sound = fc.array(commands, { maxLength: 20, size: "max" }).map((history) => {
      const groups = new FoldedGroups();
      for (const command of history) groups.fold(command);
      return encodedState(groups.state);
    });
    expectBounded(whole(groupStateMachine.decodeState), { sound, errors });
  });
});
