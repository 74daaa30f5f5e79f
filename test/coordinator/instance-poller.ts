import type { InstancePosition } from "#lib/coordinator/instance-command.ts";
import type { InstanceCalls, InstanceName } from "#lib/coordinator/shell/instance-calls.ts";
import type { InstanceView } from "#lib/coordinator/shell/instance-view.ts";
import type { ErrorCode } from "#lib/protocol/error-code.ts";
import { LogError } from "#lib/util/errors.ts";
import { TOPIC } from "./group-fixtures.ts";

const POLL_ATTEMPTS_MAX = 10;

/** What a poll has been given. */
export interface Delivered {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** A log that is made up. */
export interface PolledLog {
  /** What is there from the positions of the view on. */
  fetch(view: InstanceView): Promise<readonly Delivered[]>;
}

/** An answer other than success. */
export class PollRefusedError extends LogError {
  override readonly name = "PollRefusedError";
  override readonly kind = "unavailable";
  readonly error: ErrorCode;

  constructor(error: ErrorCode) {
    super(`refused with ${error}`);
    this.error = error;
  }
}

/** What a poll of the HTTP door does with the group (lib/http/consumers/poll-instance.ts). */
export async function pollGroup(
  instances: InstanceCalls,
  who: InstanceName,
  log: PolledLog,
  signal: AbortSignal,
): Promise<readonly Delivered[]> {
  const begun = orThrow(await instances.view(who, signal));
  const givesUp = { deliveries: begun.deliveries };
  const mayCommit = ({ hasUncommitted, deliveries }: InstanceView) => hasUncommitted && deliveries === begun.deliveries;
  const advance = async (view: InstanceView, positions: readonly InstancePosition[], delivers: boolean) => {
    const to = { commits: mayCommit(view), delivers, positions, clusterSeq: 1 };
    return orThrow(await instances.advance(view, to, signal));
  };
  const beforeChange = async () => {
    const view = orThrow(await instances.viewNow(who, signal));
    if (mayCommit(view)) await advance(view, [], false);
  };
  for (let attempt = 0; attempt < POLL_ATTEMPTS_MAX; attempt++) {
    const fault = await instances.beat(who, { givesUp, beforeChange }, signal);
    if (fault !== undefined) throw new PollRefusedError(fault.error);
    const view = orThrow(await instances.viewNow(who, signal));
    const found = await log.fetch(view);
    const positions = found.map(({ partition, to }) => ({ topicId: TOPIC, partitionIndex: partition, offset: to }));
    if (positions.length === 0) {
      await beforeChange();
      return [];
    }
    if ((await advance(view, positions, true)) === "done") return found;
  }
  return [];
}

function orThrow<T extends object | string>(result: T | ErrorCode): T {
  if (typeof result === "object" || typeof result === "string") return result;
  throw new PollRefusedError(result);
}
