import type { HostPort } from "#lib/config/host-port.ts";
import type { ServeSettings } from "#lib/config/serve-settings.ts";
import type { StartedBroker, StartSettings } from "#lib/gateway/start-broker.ts";
import { DEFAULT_APPEND_SETTINGS } from "#lib/log/append-path.ts";

/** A running broker of `millrace serve`. */
export interface ServedBroker {
  /** Where it listens, in the settings' order. */
  readonly listeners: readonly HostPort[];
  /** Undefined without an HTTP door. */
  readonly http: HostPort | undefined;
  /**
   * Whether so many brokers are registered and each log journal is led by its preferred leader, as far as this one sees.
   * Never rejects.
   */
  isSettled(brokerCount: number): Promise<boolean>;
  /** Resolves to the reason when the broker must end: it cannot have its id, or another process has taken it. */
  readonly failed: Promise<Error>;
  /** Says that the process of another broker has ended. Never rejects. */
  fenceDead(brokerId: number): Promise<void>;
  /** Answers what is under way, for `drainMs` at most, and closes everything. */
  stop(): Promise<void>;
}

/** What a broker is started with: the settings, and what depends on where its data lies. */
export function startSettings(
  settings: ServeSettings,
  own: {
    /** See `startConfigs`. */
    readonly configs: ReadonlyMap<string, string>;
    readonly uploadsInFlightMax: number;
    readonly journalPollMs: number;
    /** See `PresenceOptions`. */
    readonly replacesDead: boolean;
  },
): StartSettings {
  return {
    identity: { brokerId: settings.brokerId, rack: settings.rack ?? null },
    startConfigs: own.configs,
    append: {
      ...DEFAULT_APPEND_SETTINGS,
      lingerMs: settings.lingerMs,
      inlineBytesMax: settings.inlineBytesMax,
      uploadsInFlightMax: own.uploadsInFlightMax,
    },
    tailCacheBytesMax: settings.tailCacheBytesMax,
    blockCacheBytesMax: settings.blockCacheBytesMax,
    journalPollMs: own.journalPollMs,
    workers: settings.workers,
    replacesDead: own.replacesDead,
    listeners: settings.listeners,
    http:
      settings.http === undefined
        ? undefined
        : { ...settings.http, corsOrigins: settings.httpCorsOrigins, access: settings.httpAccess },
    drainMs: settings.drainMs,
  };
}

/** The broker as its process ends it: with all that was opened for it. */
export function servedBroker(broker: StartedBroker, opened: AsyncDisposableStack): ServedBroker {
  return {
    listeners: broker.listeners,
    http: broker.http,
    isSettled: (brokerCount) => broker.isSettled(brokerCount),
    failed: broker.failed,
    fenceDead: (brokerId) => broker.fenceDead(brokerId),
    stop: () => opened.disposeAsync(),
  };
}
