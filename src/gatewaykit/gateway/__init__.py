"""The doors: policies around an app, the gateway app, and adapters for frameworks."""
