"""Why an engine cannot start."""

from qwen_vl_app.errors import Language, SetupError


class CannotLoad(SetupError):
    """llama.cpp refuses the model, or there is no room for it; `why` as the worker worded it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"the model cannot be loaded: {why}")

    def text(self, language: Language) -> str:
        """See `SetupError.text`."""
        return f"模型无法加载：{self.why}" if language == "zh" else str(self)
