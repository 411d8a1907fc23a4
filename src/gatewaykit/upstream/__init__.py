"""Network transports: what integrations send requests through (`ports.Transport`)."""
