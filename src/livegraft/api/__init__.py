"""The API below ``/api/v1``: JSON, one error shape, OpenAPI 3.1."""
