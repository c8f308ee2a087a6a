"""Pure: models of what is provisioned, and what they allow a call to do."""
