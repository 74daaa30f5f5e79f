import { unreachable } from "#lib/util/assert.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type { BatchOutcome, LogOutcome } from "./log-command.ts";

// An outcome, as it enters a journal's checksum. Nothing reads it back.
//
//   outcome   kind uint8          0 done, 1 refused, 2 appended, 3 gathered, 4 retired
//             refused:  error int16
//             appended: partCount uvarint, { batchCount uvarint, batch ... } ...
//             gathered: partCount uvarint, { taken uint8 } ...
//             retired:  floor uvarint
//   batch     kind uint8          0 appended, 1 duplicate, 2 refused
//             appended, duplicate: baseOffset uvarint, logStartOffset uvarint
//             refused:             error int16

export function encodeLogOutcome(outcome: LogOutcome, writer: ByteWriter): void {
  switch (outcome.kind) {
    case "done":
      writer.uint8(0);
      return;
    case "refused":
      writer.uint8(1).int16(outcome.error);
      return;
    case "appended":
      writer.uint8(2).uvarint(outcome.parts.length);
      for (const batches of outcome.parts) {
        writer.uvarint(batches.length);
        for (const batch of batches) encodeBatchOutcome(batch, writer);
      }
      return;
    case "gathered":
      writer.uint8(3).uvarint(outcome.parts.length);
      for (const isTaken of outcome.parts) writer.uint8(isTaken ? 1 : 0);
      return;
    case "retired":
      writer.uint8(4).uvarint(outcome.floor);
      return;
    default:
      unreachable(outcome);
  }
}

function encodeBatchOutcome(outcome: BatchOutcome, writer: ByteWriter): void {
  if (outcome.kind === "refused") {
    writer.uint8(2).int16(outcome.error);
    return;
  }
  writer.uint8(outcome.kind === "appended" ? 0 : 1);
  writer.uvarint(outcome.baseOffset).uvarint(outcome.logStartOffset);
}
