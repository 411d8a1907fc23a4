"""What goes to an integration and what comes back: Lambda events and results, HTTP forwarding, mock."""
