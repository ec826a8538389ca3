"""Ask a local vision-language model about pictures: web page, OpenAI API, command line."""

__version__ = "0.1.0"
