"""Applications of other servers. Imported in their environments."""
