import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; producers are sent here, so that they scale and are watched by themselves. */
export const handler = await serveHttp("produce", async () => {
  const { ALL_PRODUCE_ROUTES } = await import("#lib/http/routes/all-produce.ts");
  return ALL_PRODUCE_ROUTES;
});
