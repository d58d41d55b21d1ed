"""What tests, examples and benchmarks share: reference implementations and small worlds."""
