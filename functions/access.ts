import { KeyAuthenticator } from "#lib/http/key-authenticator.ts";
import { ipRules } from "#lib/security/ip-rules.ts";
import { clock, type RunningFunction } from "./runtime.ts";

/** Who may call. Keys stand in the cluster journal; addresses are those that the function's URL or the HTTP API saw. */
export function authenticatorOf({ settings, broker }: RunningFunction): KeyAuthenticator {
  return new KeyAuthenticator({
    keys: broker.services.cluster,
    isKeyNeeded: settings.auth === "keys",
    addresses: ipRules({ allow: settings.ipAllow, deny: settings.ipDeny }),
    clock,
    signal: new AbortController().signal,
  });
}
