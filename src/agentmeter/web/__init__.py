"""Middleware that opens or resumes a request for everything that a server is asked."""
