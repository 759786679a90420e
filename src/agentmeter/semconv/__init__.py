"""Records as spans and back, and provider shapes as meters."""
