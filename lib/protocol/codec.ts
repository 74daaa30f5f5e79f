import { type Decode, structDecoder } from "./decoder.ts";
import { type Encode, structEncoder } from "./encoder.ts";
import { ProtocolError } from "./protocol-error.ts";
import { ProtocolReader } from "./protocol-reader.ts";
import { ProtocolWriter } from "./protocol-writer.ts";
import type { Fields, Infer, InferInput, Message } from "./schema.ts";
import { includesVersion } from "./versions.ts";

interface Codec {
  readonly decode: Decode;
  readonly encode: Encode;
}

// Compiled at first use and kept for the life of the process: messages are module constants.
const codecs = new WeakMap<Message, (Codec | undefined)[]>();

function codecOf(message: Message, version: number): Codec {
  let ofMessage = codecs.get(message);
  if (ofMessage === undefined) {
    ofMessage = [];
    codecs.set(message, ofMessage);
  }
  const known = ofMessage[version];
  if (known !== undefined) return known;
  if (!Number.isInteger(version) || !includesVersion(message.validVersions, version)) {
    throw new ProtocolError(`${message.name} has no version ${version}`);
  }
  const at = { version, flexible: includesVersion(message.flexibleVersions, version) };
  const codec = { decode: structDecoder(message.fields, at).decode, encode: structEncoder(message.fields, at) };
  ofMessage[version] = codec;
  return codec;
}

/**
 * Reads one message from the beginning of `bytes`. Fields of type records and bytes are views of `bytes`.
 * Bytes behind the message are ignored, as Kafka ignores them: a client that sends some must not fare worse here, and
 * they are bounded by the frame. Fails with `ProtocolError` on anything that is not the message in that version.
 */
export function decode<F extends Fields>(message: Message<F>, version: number, bytes: Uint8Array): Infer<F> {
  return decodeFrom(message, version, new ProtocolReader(bytes));
}

/** `decode` from where `reader` stands; it then stands behind the message. */
export function decodeFrom<F extends Fields>(message: Message<F>, version: number, reader: ProtocolReader): Infer<F> {
  const codec = codecOf(message, version);
  try {
    return codec.decode(reader) as Infer<F>;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(`${message.name} v${version}: ${error.message}`, { cause: error });
  }
}

/**
 * Writes one message as chunks, of which those of records are the caller's own, not copies. A field left out is written
 * with its default. Fails with `ProtocolError` if a field that is neither its default nor ignorable is not in that version.
 */
export function encode<F extends Fields>(
  message: Message<F>,
  version: number,
  value: InferInput<F>,
): readonly Uint8Array[] {
  const writer = new ProtocolWriter();
  encodeTo(message, version, value, writer);
  return writer.finish();
}

/** `encode` behind what `writer` has already. */
export function encodeTo<F extends Fields>(
  message: Message<F>,
  version: number,
  value: InferInput<F>,
  writer: ProtocolWriter,
): void {
  const codec = codecOf(message, version);
  try {
    codec.encode(writer, value);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new ProtocolError(`${message.name} v${version}: ${error.message}`, { cause: error });
  }
}
