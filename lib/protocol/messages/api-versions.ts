import { ApiKey } from "../api-key.ts";
import { array, bool, type Infer, int16, int32, int64, message, string } from "../schema.ts";

// ApiVersions v0-4 (KIP-35, KIP-511, KIP-584).
// v3 is flexible, except for the response header. v4 lets a supported feature begin at version 0.
export const ApiVersionsRequest = message({
  apiKey: ApiKey.API_VERSIONS,
  name: "ApiVersionsRequest",
  validVersions: "0-4",
  flexibleVersions: "3+",
  fields: {
    clientSoftwareName: string({ versions: "3+", ignorable: true }),
    clientSoftwareVersion: string({ versions: "3+", ignorable: true }),
  },
});
export type ApiVersionsRequest = Infer<(typeof ApiVersionsRequest)["fields"]>;

export const ApiVersionsResponse = message({
  apiKey: ApiKey.API_VERSIONS,
  name: "ApiVersionsResponse",
  validVersions: "0-4",
  flexibleVersions: "3+",
  fields: {
    errorCode: int16(),
    apiKeys: array({ apiKey: int16(), minVersion: int16(), maxVersion: int16() }),
    throttleTimeMs: int32({ versions: "1+", ignorable: true }),
    supportedFeatures: array(
      { name: string(), minVersion: int16(), maxVersion: int16() },
      { versions: "3+", tag: 0, taggedVersions: "3+", ignorable: true },
    ),
    finalizedFeaturesEpoch: int64({ versions: "3+", default: -1, tag: 1, taggedVersions: "3+", ignorable: true }),
    finalizedFeatures: array(
      { name: string(), maxVersionLevel: int16(), minVersionLevel: int16() },
      { versions: "3+", tag: 2, taggedVersions: "3+", ignorable: true },
    ),
    zkMigrationReady: bool({ versions: "3+", tag: 3, taggedVersions: "3+", ignorable: true }),
  },
});
export type ApiVersionsResponse = Infer<(typeof ApiVersionsResponse)["fields"]>;
