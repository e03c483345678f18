"""What requests hold and answers say, as pydantic models: the OpenAPI document is made of these."""
