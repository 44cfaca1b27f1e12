/** The addresses of the server's own pages. */

/** The page that checks images, with an image's address in its form. */
export function consolePage(server: string, image: string): string {
  return `${server}/?url=${encodeURIComponent(image)}`;
}
