"""How the page's events are sent."""

QUIET = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
# Only answers go through Gradio's queue. Its browser client closes the stream of messages that all queued events of a
# page share when one of them ends, and loses an event that was joined a moment earlier (seen in 4 of 40 tries).
SHORT = {**QUIET, "queue": False}
