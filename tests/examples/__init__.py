"""What docs/howto/libraries.rst shows; the tests run every one of them."""
