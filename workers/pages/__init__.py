"""Pages, site maps and feeds: bytes → the images and pages that they name. Knows no network."""
