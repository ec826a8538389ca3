"""The demo model: its drawn world, its training, its export. Nothing in the app imports this package."""
