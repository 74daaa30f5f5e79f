import { BlockList, isIP } from "node:net";
import { LogError } from "#lib/util/errors.ts";

/** A text that is no address and no range of addresses. */
export class IpRangeError extends LogError {
  override readonly name = "IpRangeError";
  override readonly kind = "invalid";

  constructor(text: string) {
    super(`"${text}" is no IP address and no range such as 10.0.0.0/8 or fd00::/8`);
  }
}

export interface IpRules {
  /** Whether a caller at `address` may go on. An address that is missing or unreadable passes only if nothing is asked. */
  permits(address: string | undefined): boolean;
}

export function isIpRange(text: string): boolean {
  try {
    ipRules({ allow: [text], deny: [] });
    return true;
  } catch {
    return false;
  }
}

/** `deny` wins over `allow`; an empty `allow` lets everybody in. Throws `IpRangeError`. */
export function ipRules(ranges: { readonly allow: readonly string[]; readonly deny: readonly string[] }): IpRules {
  if (ranges.allow.length + ranges.deny.length === 0) return { permits: () => true };
  const allow = listOf(ranges.allow);
  const deny = listOf(ranges.deny);
  return {
    permits(address) {
      const plain = unmapped(address ?? "");
      const version = isIP(plain);
      if (version === 0) return false;
      const family = version === 6 ? "ipv6" : "ipv4";
      if (deny.check(plain, family)) return false;
      return ranges.allow.length === 0 || allow.check(plain, family);
    },
  };
}

/** An IPv4 client of a listener on IPv6 shows as ::ffff:10.0.0.1. */
function unmapped(address: string): string {
  return address.toLowerCase().startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

function listOf(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) addTo(list, text);
  return list;
}

function addTo(list: BlockList, text: string): void {
  const [address = "", prefix, ...rest] = text.trim().split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) throw new IpRangeError(text);
  const family = version === 6 ? "ipv6" : "ipv4";
  if (prefix === undefined) {
    list.addAddress(address, family);
    return;
  }
  const bits = version === 6 ? 128 : 32;
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) throw new IpRangeError(text);
  list.addSubnet(address, Number(prefix), family);
}
