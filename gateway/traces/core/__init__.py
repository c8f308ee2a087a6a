"""Pure: values in, text and octets out."""
