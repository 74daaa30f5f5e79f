import { z } from "zod";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import { ErrorCode } from "#lib/protocol/error-code.ts";
import { groupResource, requireAccess } from "../access.ts";
import type { Call } from "../endpoint.ts";
import { httpErrorOf } from "../error-table.ts";
import { HttpError } from "../http-error.ts";

// What all calls on a consumer instance have in common.

const groupParam = z.string().regex(/\S/).meta({ description: "Id of the group.", example: "billing" });

export const groupParams = z.object({ group: groupParam });
export const instanceParams = z.object({
  group: groupParam,
  instance: z.string().meta({ description: "Name of the instance.", example: "worker-1" }),
});

export type InstanceCall<Q = unknown, H = unknown, B = unknown> = Call<z.output<typeof instanceParams>, Q, H, B>;

export const INSTANCE_REFUSALS = { 404: "40403: the group has no such consumer instance (any more)." };

/** The instance that the call is about, as it is now: 404 with 40403 if there is none. */
export async function findInstanceOf({ params, principal, runtime, signal }: InstanceCall): Promise<InstanceView> {
  requireAccess(principal, "read", groupResource(params.group));
  const who = { groupId: params.group, instanceId: params.instance };
  const view = await runtime.broker.groups.instances.view(who, signal);
  if (typeof view === "number") throw instanceError(view, params);
  return view;
}

/** The refusal for an error that a call on an instance has met. */
export function instanceError(
  error: ErrorCode,
  { group, instance }: z.output<typeof instanceParams>,
  message?: string,
): HttpError {
  if (error === ErrorCode.GROUP_ID_NOT_FOUND) {
    const text = `Group ${group} has members of the classic protocol that no instance can share it with.`;
    return httpErrorOf(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, text);
  }
  if (error !== ErrorCode.UNKNOWN_MEMBER_ID) return httpErrorOf(error, message);
  const text = `Group ${group} has no consumer instance ${instance}; one that is not called for some time is forgotten.`;
  return new HttpError({ status: 404, errorCode: 40403, message: text });
}

/** What the instance cannot do as it is. */
export function illegalState(message: string): HttpError {
  return new HttpError({ status: 409, errorCode: 40903, message: `Illegal state: ${message}` });
}

/** Every attempt found the instance changed by others. */
export function movedOn(): HttpError {
  const message = "Others have changed the instance meanwhile, time and again; use it from one place at a time.";
  return new HttpError({ status: 409, errorCode: 40904, message });
}
