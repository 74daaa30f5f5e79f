import { type Endpoint, endpoint } from "../endpoint.ts";
import { HttpError } from "../http-error.ts";
import { clusterParams, inCluster, NO_CLUSTER, v3Urls } from "../v3-resource.ts";

// There are no ACLs: rights go with keys. The routes are there so that clients hear why.

const TAG = "acls (v3)";

const ACL_ROUTES = [
  { method: "get", path: "/acls", operationId: "v3ListAcls", summary: "ACLs: not served" },
  { method: "post", path: "/acls", operationId: "v3CreateAcl", summary: "Make an ACL: not served" },
  { method: "delete", path: "/acls", operationId: "v3DeleteAcls", summary: "Delete ACLs: not served" },
  { method: "post", path: "/acls:batch", operationId: "v3CreateAcls", summary: "Make ACLs: not served" },
] as const;

export const V3_ACL_ROUTES: readonly Endpoint[] = ACL_ROUTES.map(({ method, path, operationId, summary }) =>
  endpoint(
    {
      ...inCluster(TAG, path),
      method,
      operationId,
      summary,
      params: clusterParams,
      answers: { 200: { description: "Never given." } },
      refusals: { 404: `404: ${NO_CLUSTER}.`, 501: "501: there are no ACLs; rights go with keys (`/v1/keys`)." },
    },
    (call) => {
      v3Urls(call);
      throw new HttpError({ status: 501, message: "There are no ACLs here: rights go with keys, see /v1/keys." });
    },
  ),
);
