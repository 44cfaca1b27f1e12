/** Decides which image addresses may be sent to the server. */

/** Whether an address is an http(s) URL. URLs with credentials are never sent. */
export function isWebUrl(address: string): boolean {
  return /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i.test(address);
}
