"""What the page shows, as one JSON value: the page itself only lays out."""
