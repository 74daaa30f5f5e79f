import { RE2JS, RE2JSException } from "re2js";
import { TOPIC_REGEX_COST_MAX, TOPIC_REGEX_LENGTH_MAX, TOPIC_REGEXES_CACHED_MAX } from "#lib/util/limits.ts";
import type { ResolvedRegex } from "./consumer-command.ts";

// Regular expressions that consumers subscribe with (KIP-848): RE2's syntax, as Kafka's broker has it through re2j. A
// topic is meant if its whole name matches.

/** Whether consumers may subscribe with it; else the answer is INVALID_REGULAR_EXPRESSION. Takes what compiling takes. */
export function isTopicRegex(regex: string): boolean {
  return compile(regex) !== undefined;
}

function compile(regex: string): RE2JS | undefined {
  if (regex.length > TOPIC_REGEX_LENGTH_MAX || costOf(regex) > TOPIC_REGEX_COST_MAX) return undefined;
  try {
    return RE2JS.compile(regex);
  } catch (error) {
    if (error instanceof RE2JSException) return undefined;
    throw error;
  }
}

/** RE2 itself goes no further with repetitions in each other. */
const REPETITIONS_MAX = 1_000;

/**
 * A bound for the size of what the expression is compiled to, in characters once its counted repetitions are written out:
 * few characters can stand for very many, as in `(longer){1000}`.
 */
function costOf(regex: string): number {
  let repetitions = 1;
  for (const [, least = "", most = ""] of regex.matchAll(/\{(\d+)(?:,(\d*))?/g)) {
    repetitions = Math.min(REPETITIONS_MAX, repetitions * Math.max(1, Number(least), Number(most)));
  }
  return regex.length * repetitions;
}

interface Resolution {
  readonly compiled: RE2JS | undefined;
  /** The very list of names that `matches` was made from. */
  topicNames: readonly string[];
  matches: readonly string[];
}

/**
 * Which topics expressions stand for. Each is matched anew only when it is asked about another list of names than the last
 * time: callers hand in the same array as long as there are the same topics.
 */
export class TopicRegexes {
  /** Least recently used first. */
  readonly #resolutions = new Map<string, Resolution>();

  /** The names that match, in the order of `topicNames`. None if the expression is none. */
  matches(regex: string, topicNames: readonly string[]): readonly string[] {
    const resolution = this.#resolutions.get(regex) ?? { compiled: compile(regex), topicNames: [], matches: [] };
    if (resolution.topicNames !== topicNames) {
      const { compiled } = resolution;
      resolution.matches = compiled === undefined ? [] : topicNames.filter((name) => compiled.matches(name));
      resolution.topicNames = topicNames;
    }
    this.#keep(regex, resolution);
    return resolution.matches;
  }

  /** What all of them stand for, as `metadata-changed` carries it. `topicNames` must be ascending. */
  resolve(regexes: Iterable<string>, topicNames: readonly string[]): readonly ResolvedRegex[] {
    return [...regexes].map((regex) => ({ regex, topicNames: this.matches(regex, topicNames) }));
  }

  #keep(regex: string, resolution: Resolution): void {
    this.#resolutions.delete(regex);
    this.#resolutions.set(regex, resolution);
    if (this.#resolutions.size <= TOPIC_REGEXES_CACHED_MAX) return;
    const oldest = this.#resolutions.keys().next().value;
    if (oldest !== undefined) this.#resolutions.delete(oldest);
  }
}
