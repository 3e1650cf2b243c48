"""Network and venue formats, one module a specification, each message one table."""
