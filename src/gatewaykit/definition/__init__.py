"""An API as frozen data, whatever it was read from."""
