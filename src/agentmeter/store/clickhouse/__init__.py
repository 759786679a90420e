"""The reports over a table of spans in ClickHouse, as the OpenTelemetry Collector fills it."""
