"""The receiver of OTLP over HTTP, and the page that shows what it receives while it comes in."""
