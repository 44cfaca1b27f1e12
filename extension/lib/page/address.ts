/** Which addresses of images may be told to the server. */

/** Whether an address is one on the web; one with a name and password in it is kept to ourselves. */
export function isWeb(address: string): boolean {
  return /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i.test(address);
}
