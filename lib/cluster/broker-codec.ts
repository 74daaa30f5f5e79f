import { type ByteReader, DecodeError } from "#lib/util/byte-reader.ts";
import type { ByteWriter } from "#lib/util/byte-writer.ts";
import type { RegisterBrokerCommand } from "./broker-command.ts";
import { BROKER_STATUSES, type BrokerEndpoint, type BrokerState, type BrokerStatus } from "./broker-state.ts";
import { readList } from "./read-list.ts";
import { readUuid, writeUuid } from "./uuid-codec.ts";

// What commands and the state have in common about brokers. Numbers are uvarints, texts UTF-8 behind their length.
//
//   registration   broker id | incarnation, 16 bytes | store id | rack | count, (text name, text host, port)*
//   rack           uint8 0: none, or uint8 1 and text
//   broker         registration | broker epoch | seen seq | uint8 status: 0 running, 1 fenced, 2 stopped

type Registration = Pick<BrokerState, "brokerId" | "incarnation" | "storeId" | "rack" | "endpoints">;

export function writeRegistration(writer: ByteWriter, registration: Registration): ByteWriter {
  const { brokerId, incarnation, storeId, rack, endpoints } = registration;
  writeUuid(writer.uvarint(brokerId), incarnation).uvarint(storeId);
  if (rack === null) writer.uint8(0);
  else writer.uint8(1).text(rack);
  writer.uvarint(endpoints.length);
  for (const { name, host, port } of endpoints) writer.text(name).text(host).uvarint(port);
  return writer;
}

export function readRegistration(reader: ByteReader): Registration {
  return {
    brokerId: reader.uvarint(),
    incarnation: readUuid(reader),
    storeId: reader.uvarint(),
    rack: reader.uint8() === 0 ? null : reader.text(),
    endpoints: readList(reader, () => readEndpoint(reader)),
  };
}

export function writeReplaced(writer: ByteWriter, { replaces }: RegisterBrokerCommand): void {
  // Epochs are numbers of records, so none of them is 0.
  if (replaces === undefined) writer.uvarint(0);
  else writer.uvarint(replaces.brokerEpoch).uvarint(replaces.seenSeq);
}

export function readReplaced(reader: ByteReader): RegisterBrokerCommand["replaces"] {
  const brokerEpoch = reader.uvarint();
  return brokerEpoch === 0 ? undefined : { brokerEpoch, seenSeq: reader.uvarint() };
}

export function writeBroker(writer: ByteWriter, broker: BrokerState): void {
  writeRegistration(writer, broker).uvarint(broker.brokerEpoch).uvarint(broker.seenSeq);
  writer.uint8(BROKER_STATUSES.indexOf(broker.status));
}

export function readBroker(reader: ByteReader): BrokerState {
  return {
    ...readRegistration(reader),
    brokerEpoch: reader.uvarint(),
    seenSeq: reader.uvarint(),
    status: readStatus(reader),
  };
}

function readEndpoint(reader: ByteReader): BrokerEndpoint {
  return { name: reader.text(), host: reader.text(), port: reader.uvarint() };
}

function readStatus(reader: ByteReader): BrokerStatus {
  const number = reader.uint8();
  const status = BROKER_STATUSES[number];
  if (status === undefined) throw new DecodeError(`unknown status ${number} of a broker`);
  return status;
}
