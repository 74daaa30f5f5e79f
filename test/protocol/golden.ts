import { describe, expect, test } from "vitest";
import { decode, encode } from "#lib/protocol/codec.ts";
import type { Fields, InferInput, Message } from "#lib/protocol/schema.ts";
import { joined } from "./arbitrary.ts";

/** A message whose bytes somebody else has written. */
export interface Golden {
  readonly title: string;
  readonly hex: string;
  readonly ours: () => readonly Uint8Array[];
  readonly again: (bytes: Uint8Array) => readonly Uint8Array[];
}

export type AddGolden = <F extends Fields>(
  message: Message<F>,
  version: number,
  input: InferInput<F>,
  hex: string,
) => void;

export function goldenList(): { readonly goldens: readonly Golden[]; readonly golden: AddGolden } {
  const goldens: Golden[] = [];
  const golden: AddGolden = (message, version, input, hex) => {
    goldens.push({
      title: `${message.name} v${version} #${goldens.length}`,
      hex,
      ours: () => encode(message, version, input),
      again: (bytes) => writtenAgain(message, version, bytes),
    });
  };
  return { goldens, golden };
}

function writtenAgain(message: Message, version: number, bytes: Uint8Array): readonly Uint8Array[] {
  return encode(message, version, decode(message, version, bytes));
}

/** To be called once, behind the last `golden`. */
export function testGoldens(goldens: readonly Golden[]): void {
  describe.each(goldens)("$title", ({ hex, ours, again }) => {
    test("is written as the Java client writes it", () => {
      expect(Buffer.from(joined(ours())).toString("hex")).toBe(hex);
    });

    test("is read in full: written again it gives the same bytes", () => {
      expect(Buffer.from(joined(again(Buffer.from(hex, "hex")))).toString("hex")).toBe(hex);
    });
  });
}
