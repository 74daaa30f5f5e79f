import { describeError } from "#lib/runtime/logger.ts";
import type { Host } from "./host.ts";

/** What goes wrong with one call of a service. Probabilities, 0 to 1, of each call. */
export interface FaultRates {
  /** The service answers with an error and does nothing. */
  readonly failure: number;
  readonly throttle: number;
  /** It takes effect, and the caller hears of an error. */
  readonly lostAnswer: number;
  /** Nobody hears anything; with `lateEffect` beside it, it may have taken effect. */
  readonly hang: number;
  /** The caller hears of an error; the request arrives minutes later. */
  readonly lateEffect: number;
  /** An eventually consistent read misses the newest records. */
  readonly stale: number;
  /** Seconds instead of milliseconds. */
  readonly slow: number;
  /** The process stands still before it signs. */
  readonly freeze: number;
  /** The process dies after it has sent the request. */
  readonly death: number;
}

export const NO_FAULTS: FaultRates = {
  failure: 0,
  throttle: 0,
  lostAnswer: 0,
  hang: 0,
  lateEffect: 0,
  stale: 0,
  slow: 0,
  freeze: 0,
  death: 0,
};

export interface Faults {
  /** Switched off when the world heals. */
  rates: FaultRates;
  /** Freezes or kills the process, unless that has happened often enough. */
  readonly freeze: (host: Host) => void;
  readonly kill: (host: Host) => void;
}

/** What takes the place of some rates for a while: a service that fails, hangs or is slow. */
export type Trouble = Partial<FaultRates>;

export interface Troubles {
  ofAll: Trouble | undefined;
  /** Of single processes, by name: their way to the service is broken. */
  readonly ofHosts: Map<string, Trouble>;
}

export function newTroubles(): Troubles {
  return { ofAll: undefined, ofHosts: new Map() };
}

export function troubled(faults: Faults, trouble: Trouble | undefined): Faults {
  return trouble === undefined ? faults : { ...faults, rates: { ...faults.rates, ...trouble } };
}

/** A service's signatures are good for so long: what arrives later is refused. */
export const SIGNATURE_MS_MAX = 5 * 60 * 1000;

export interface Call<T> {
  readonly name: string;
  /** Calls that change something are where a process stands still most often, for there it matters most. */
  readonly isChange: boolean;
  /** Takes effect at the service, at once. */
  readonly apply: (context: { readonly signedAtMs: number; readonly isStale: boolean }) => T;
  readonly unavailable: (message: string, throttled: boolean) => Error;
  /** For traces: what became of it. */
  readonly describe?: (result: T) => string;
}

/** One call of a service over the world's network: request, effect and answer are three events that others may come between. */
export function callService<T>(host: Host, faults: Faults, call: Call<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const { random, scheduler } = host;
    const { rates } = faults;
    let isSettled = false;
    const onAbort = () => settle(() => reject(signal.reason));
    const settle = (end: () => void) => {
      if (isSettled) return;
      isSettled = true;
      signal.removeEventListener("abort", onAbort);
      end();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const delayMs = (): number => (random.chance(rates.slow) ? random.below(8_000) : 0.2 + random.below(1_000) / 100);
    const fail = (message: string, throttled = false) =>
      host.deliver(delayMs(), () => settle(() => reject(call.unavailable(message, throttled))));
    if (random.chance(call.isChange ? 4 * rates.freeze : rates.freeze)) faults.freeze(host);
    host.deliver(random.below(10) / 10, () => {
      if (isSettled) return;
      const signedAtMs = scheduler.nowMs;
      const isStale = random.chance(rates.stale);
      const apply = (): T => {
        try {
          const result = call.apply({ signedAtMs, isStale });
          scheduler.trace(`${host.name} ${call.name}: ${call.describe?.(result) ?? "ok"}`);
          return result;
        } catch (error) {
          scheduler.trace(`${host.name} ${call.name}: ${describeError(error)}`);
          throw error;
        }
      };
      const applyUnheard = (): void => {
        try {
          apply();
        } catch {
          // Nobody hears of a refusal either.
        }
      };
      if (random.chance(rates.death)) scheduler.schedule(random.below(10), () => faults.kill(host));
      if (random.chance(rates.failure)) fail("internal server error");
      else if (random.chance(rates.throttle)) fail("too many requests", true);
      else if (random.chance(rates.hang)) {
        if (random.chance(0.5)) scheduler.schedule(delayMs(), applyUnheard);
      } else if (random.chance(rates.lateEffect)) {
        scheduler.schedule(random.below(SIGNATURE_MS_MAX), applyUnheard);
        fail("no answer in time");
      } else {
        const isLost = random.chance(rates.lostAnswer);
        scheduler.schedule(delayMs(), () => {
          let end: () => void;
          try {
            const result = apply();
            end = () => resolve(result);
          } catch (error) {
            end = () => reject(error);
          }
          if (isLost) fail("the answer was lost");
          else host.deliver(delayMs(), () => settle(end));
        });
      }
    });
  });
}
