import { type Journal, JournalUnavailableError } from "#lib/journal/journal.ts";
import { type ObjectStore, StoreUnavailableError } from "#lib/storage/object-store.ts";

const TRIES_MAX = 50;

async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      const isPassing = error instanceof JournalUnavailableError || error instanceof StoreUnavailableError;
      if (!isPassing || tries === TRIES_MAX) throw error;
    }
  }
}

/** Sends each call again until it is answered: for faults under which nothing has happened. */
export function persistentJournal(journal: Journal): Journal {
  return {
    append: (...call) => untilAnswered(() => journal.append(...call)),
    read: (...call) => untilAnswered(() => journal.read(...call)),
    last: (...call) => untilAnswered(() => journal.last(...call)),
    trim: (...call) => untilAnswered(() => journal.trim(...call)),
  };
}

/** See `persistentJournal`. */
export function persistentStore(store: ObjectStore): ObjectStore {
  return {
    putIfAbsent: (...call) => untilAnswered(() => store.putIfAbsent(...call)),
    get: (...call) => untilAnswered(() => store.get(...call)),
    getRange: (...call) => untilAnswered(() => store.getRange(...call)),
    list: (...call) => untilAnswered(() => store.list(...call)),
    deleteAll: (...call) => untilAnswered(() => store.deleteAll(...call)),
  };
}
