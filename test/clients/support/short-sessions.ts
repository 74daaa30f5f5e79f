/** The shortest session that Kafka's defaults allow a classic member; in ms. */
export const SHORT_SESSION_MS = 6_000;

/**
 * Broker configs under which a killed member is missed as soon in a group by KIP-848, whose sessions the broker sets, as
 * classic members may ask for; and under which nobody waits for members that nobody has announced.
 */
export const SHORT_SESSIONS: Readonly<Record<string, string>> = {
  "group.initial.rebalance.delay.ms": "0",
  "group.consumer.min.session.timeout.ms": `${SHORT_SESSION_MS}`,
  "group.consumer.session.timeout.ms": `${SHORT_SESSION_MS}`,
  "group.consumer.min.heartbeat.interval.ms": "1000",
  "group.consumer.heartbeat.interval.ms": "1000",
};
