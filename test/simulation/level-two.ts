import { type LogStateMachine, logStateMachine } from "#lib/log/log-state-machine.ts";

/** The feature level after the newest real one: a stand-in for every change that a version will ever make to a fold. */
export const NEXT_LEVEL = logStateMachine.featureLevel + 1;

/** An `advance-log-start` to here means "to the end" at the next level; before it, it is refused as out of range. */
export const TO_THE_END = Number.MAX_SAFE_INTEGER;

/** The log's fold as a later version might have it: one command has another outcome. */
export function levelTwo(machine: LogStateMachine): LogStateMachine {
  return {
    ...machine,
    featureLevel: NEXT_LEVEL,
    fold(state, command, context) {
      if (command.kind !== "advance-log-start" || command.logStartOffset !== TO_THE_END) {
        return machine.fold(state, command, context);
      }
      const partition = [...state.partitions.values()].find(
        ({ topicId, partitionIndex }) => topicId === command.topicId && partitionIndex === command.partitionIndex,
      );
      const logStartOffset = partition?.logEndOffset ?? 0;
      return machine.fold(state, { ...command, logStartOffset }, context);
    },
  };
}
