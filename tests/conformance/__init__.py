"""What a client of the gateway must find, behaviour by behaviour."""
