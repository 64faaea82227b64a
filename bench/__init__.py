"""Benches: the gateway beside its limits and its peers.

run.py measures the cases of cases.py; loads.py puts load on, reading.py tells whether answers are
whole, processes.py starts and pins what is measured, figures.py keeps results, table.py shows
them, peers.py brings other gateways, conversions.py costs a stream's events in process. vendor.py
is the mock vendor, answers.py its bytes, limits.py the bare servers. Memory: tests/soak.py.
"""
