"""Plan a panel before its probes are ordered."""
