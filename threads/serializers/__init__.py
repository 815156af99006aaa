"""Bodies, queries and answers of the threads API."""
