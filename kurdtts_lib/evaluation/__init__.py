"""Metrics of voices on held-out sentences, against recordings of these sentences; reports and listening tests."""
