import { serveHttp } from "./serve-http.ts";

/** Serves the whole app; direct readers of records are sent here. */
export const handler = await serveHttp("fetch", async () => {
  const { V1_RECORD_ROUTES } = await import("#lib/http/routes/v1-records.ts");
  return V1_RECORD_ROUTES;
});
