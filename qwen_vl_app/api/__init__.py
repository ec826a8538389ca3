"""OpenAI's chat API in front of the engine: adapters only, no OpenAI dict goes further than this package."""

from qwen_vl_app.api.routes import router

__all__ = ["router"]
