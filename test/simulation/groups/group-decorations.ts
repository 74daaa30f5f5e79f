import type { GroupStateMachine } from "#lib/coordinator/group-state-machine.ts";
import type { GroupCoordinator } from "#lib/coordinator/shell/group-coordinator.ts";
import type { Clock } from "#lib/runtime/clock.ts";

/** What clients reach of a process. */
export type GroupServices = Pick<GroupCoordinator, "join"> & {
  readonly members: Pick<GroupCoordinator["members"], "sync" | "heartbeat" | "leave">;
  readonly consumers: Pick<GroupCoordinator["consumers"], "heartbeat">;
  readonly offsets: Pick<GroupCoordinator["offsets"], "commit" | "fetch">;
  /** Left out where services are decorated. */
  readonly instances?: GroupCoordinator["instances"];
};

/** Where a bug can be put between the parts of a world of groups, in place of the sound part. */
export interface GroupDecorations {
  readonly machine?: (machine: GroupStateMachine) => GroupStateMachine;
  readonly clock?: (clock: Clock) => Clock;
  readonly services?: (services: GroupServices) => GroupServices;
}

export const SOUND_GROUPS: GroupDecorations = {};
