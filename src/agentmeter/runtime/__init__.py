"""What runs inside the application: scopes, ledger, context."""
