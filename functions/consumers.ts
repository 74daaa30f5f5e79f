import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; consumer instances and groups are sent here. */
export const handler = await serveHttp("consumers", async () => {
  const { ALL_CONSUMER_ROUTES } = await import("#lib/http/routes/all-consumers.ts");
  return ALL_CONSUMER_ROUTES;
});
