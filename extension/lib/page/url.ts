/** Tells what kind an image's address is. */

/** Whether an address is an http(s) URL. URLs with credentials are never sent. */
export function isWebUrl(address: string): boolean {
  return /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i.test(address);
}

/** Whether an address may be that of an image that Assay can judge. SVG files are drawings. */
export function isImageUrl(address: string): boolean {
  if (/^(?:blob:|data:image\/(?!svg))/i.test(address)) return true;
  return isWebUrl(address) && !/^[^?#]*\.svgz?(?:[?#]|$)/i.test(address);
}
