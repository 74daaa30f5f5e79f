import { z } from "zod";

// What a broker tells the supervisor that runs it, over the channel between the two processes; and the other way.

const hostPort = z.object({ host: z.string(), port: z.number() });

const startFailure = z.object({
  kind: z.literal("failed"),
  text: z.string(),
  /** The exit status that goes with it. */
  status: z.number(),
  /** `passing`: the same start may succeed later; `damage`: of what all brokers share. */
  reason: z.enum(["passing", "lasting", "damage"]),
});

const schema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("listening"), kafka: z.array(hostPort), http: hostPort.optional() }),
  /** As far as this broker sees, all brokers are registered and each log journal is led as it is to be. */
  z.object({ kind: z.literal("settled") }),
  startFailure,
]);

export type StartFailure = z.infer<typeof startFailure>;
export type BrokerMessage = z.infer<typeof schema>;

export const parseBrokerMessage = (message: unknown): BrokerMessage => schema.parse(message);

/** What the supervisor tells a broker: the process of another one has ended, in whatever way. */
const supervisorSchema = z.object({ kind: z.literal("broker-ended"), brokerId: z.number() });

export type SupervisorMessage = z.infer<typeof supervisorSchema>;

export const parseSupervisorMessage = (message: unknown): SupervisorMessage => supervisorSchema.parse(message);
