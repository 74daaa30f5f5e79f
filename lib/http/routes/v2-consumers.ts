import { z } from "zod";
import { newMemberId } from "#lib/coordinator/shell/member-ids.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { INSTANCE_TIMEOUT_MS } from "#lib/util/limits.ts";
import { groupResource, requireAccess } from "../access.ts";
import { groupParams, INSTANCE_REFUSALS, instanceError, instanceParams } from "../consumers/find-instance.ts";
import { instanceConfigBody } from "../consumers/instance-config.ts";
import { consumerBody, consumerExamples, OF_CONSUMERS } from "../consumers/request-types.ts";
import { type Endpoint, endpoint } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { HttpError } from "../http-error.ts";

// Making and deleting consumer instances, as the REST Proxy's v2 has it. Any process may answer any call on an instance: all
// that it is stands in its group's journal.

const CreateAnswer = z.object({ instance_id: z.string(), base_uri: z.string() }).meta({ id: "V2Instance" });

const createInstance = endpoint(
  {
    method: "post",
    path: "/consumers/{group}",
    ...OF_CONSUMERS,
    operationId: "createConsumer",
    summary: "Make a consumer instance in a group",
    description: `It is forgotten after ${INSTANCE_TIMEOUT_MS / 1_000} s without a call, and its partitions go to others.`,
    params: groupParams,
    body: consumerBody(instanceConfigBody),
    bodyExamples: consumerExamples({ name: "worker-1", format: "json", "auto.offset.reset": "earliest" }),
    answers: {
      200: {
        description: "Any process answers for it, at this address and at others of the same path.",
        schema: CreateAnswer,
        example: { instance_id: "worker-1", base_uri: "https://example.com/consumers/billing/instances/worker-1" },
      },
    },
    refusals: {
      404: "A group has a name that can be seen.",
      409: "40902: the group has an instance of this name.",
      422: "42204: a setting that there is none of, or that cannot be so.",
    },
  },
  async ({ params, body, principal, runtime, request, signal }) => {
    const { group: groupId } = params;
    requireAccess(principal, "read", groupResource(groupId));
    const { name, ...config } = body;
    const { groups, random } = runtime.broker;
    const instanceId = name ?? newMemberId("rest-consumer", random);
    const timeoutMs = runtime.settings.instanceTimeoutMs;
    const error = await groups.instances.create({ groupId, instanceId }, { ...config, timeoutMs }, signal);
    if (error === ErrorCode.DUPLICATE_RESOURCE) {
      const message = `Group ${groupId} has a consumer instance ${instanceId} already.`;
      throw new HttpError({ status: 409, errorCode: 40902, message });
    }
    if (error === ErrorCode.POLICY_VIOLATION) {
      const message = "There are too many consumer instances.";
      throw new HttpError({ status: 503, errorCode: 50304, message, headers: { "retry-after": "5" } });
    }
    if (error !== ErrorCode.NONE) throw httpErrorOf(error);
    const path = `/consumers/${encodeURIComponent(groupId)}/instances/${encodeURIComponent(instanceId)}`;
    return { value: { instance_id: instanceId, base_uri: `${new URL(request.url).origin}${path}` } };
  },
);

const deleteInstance = endpoint(
  {
    method: "delete",
    path: "/consumers/{group}/instances/{instance}",
    ...OF_CONSUMERS,
    operationId: "deleteConsumer",
    summary: "Delete a consumer instance",
    description: "With `auto.commit.enable` what it has delivered is committed. Its partitions go to others at once.",
    params: instanceParams,
    answers: { 204: { description: "Deleted" } },
    refusals: INSTANCE_REFUSALS,
  },
  async ({ params, principal, runtime, signal }) => {
    requireAccess(principal, "read", groupResource(params.group));
    const who = { groupId: params.group, instanceId: params.instance };
    const result = await runtime.broker.groups.instances.delete(who, signal);
    if (typeof result === "number") throw instanceError(result, params);
    return {};
  },
);

export const V2_CONSUMER_ROUTES: readonly Endpoint[] = [createInstance, deleteInstance];
