import { ApiKey } from "../api-key.ts";
import { bool, type Infer, int16, int32, int64, message, string } from "../schema.ts";

// InitProducerId v0-6 (KIP-98).
// v3 lets a producer keep its id and raise its epoch (KIP-360). v4 adds PRODUCER_FENCED, v5 TRANSACTION_ABORTABLE
// (KIP-890). v6 prepares for two-phase commit (KIP-939); Kafka 4.3 does not offer it unless told to.
export const InitProducerIdRequest = message({
  apiKey: ApiKey.INIT_PRODUCER_ID,
  name: "InitProducerIdRequest",
  validVersions: "0-6",
  flexibleVersions: "2+",
  unstableVersions: "6+",
  fields: {
    transactionalId: string({ nullable: "0+" }),
    transactionTimeoutMs: int32(),
    producerId: int64({ versions: "3+", default: -1 }),
    producerEpoch: int16({ versions: "3+", default: -1 }),
    enable2Pc: bool({ versions: "6+" }),
    keepPreparedTxn: bool({ versions: "6+" }),
  },
});
export type InitProducerIdRequest = Infer<(typeof InitProducerIdRequest)["fields"]>;

export const InitProducerIdResponse = message({
  apiKey: ApiKey.INIT_PRODUCER_ID,
  name: "InitProducerIdResponse",
  validVersions: "0-6",
  flexibleVersions: "2+",
  unstableVersions: "6+",
  fields: {
    throttleTimeMs: int32({ default: 0, ignorable: true }),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
    ongoingTxnProducerId: int64({ versions: "6+", default: -1 }),
    ongoingTxnProducerEpoch: int16({ versions: "6+", default: -1 }),
  },
});
export type InitProducerIdResponse = Infer<(typeof InitProducerIdResponse)["fields"]>;
