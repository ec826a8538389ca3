"""The page: Gradio Blocks, its texts in two languages, its look."""
