from tests.finishing.conftest import whole_batches  # noqa: F401  a fixture for all tests here
