import pytest

from qwen_vl_app import settings
from qwen_vl_app.errors import SetupError


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"QWEN_VL_PORT": "8001", "QWEN_VL_CTX_SIZE": "2048"}
    options = settings.parse(["--port", "8002"], environ)
    assert (options.port, options.ctx_size, options.gpu_layers) == (8002, 2048, -1)
    assert settings.parse(["--ctx-size", "auto", "--gpu-layers", "35"], environ).ctx_size == 0


def test_model_path_is_the_model_unless_one_is_named() -> None:
    environ = {"MODEL_PATH": "./models/x.gguf"}
    assert settings.parse([], environ).model == "./models/x.gguf"
    assert settings.parse([], environ | {"QWEN_VL_MODEL": "4b"}).model == "4b"
    assert settings.parse(["--model", "8b"], environ).model == "8b"


def test_every_setting_is_a_flag_and_a_variable() -> None:
    for option in settings.options():
        value = "5" if isinstance(option.default, int) else "x"
        if option.name == "ctx_size":
            value = "600"
        if option.name == "max_short_side":
            value = "64"
        if option.metadata["choices"]:
            value = option.metadata["choices"][-1]
        by_flag = settings.parse([settings.flag(option), value], {})
        by_variable = settings.parse([], {settings.variable(option): value})
        assert str(getattr(by_flag, option.name)) == value
        assert by_flag == by_variable


@pytest.mark.parametrize(
    ("argv", "environ", "message"),
    [
        (["--port", "http"], {}, "--port: 'http' is not a whole number"),
        (["--port", "70000"], {}, "--port: 70000 is out of range; it must be from 1 to 65535"),
        (["--kv-type", "q3"], {}, "--kv-type: 'q3' is not one of f16, q8_0"),
        ([], {"QWEN_VL_CTX_SIZE": "12"}, "QWEN_VL_CTX_SIZE: 12 is out of range; it must be at least 512"),
    ],
)
def test_bad_values_are_refused_naming_where_they_were_set(
    argv: list[str], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(SetupError) as refusal:
        settings.parse(argv, environ)
    assert str(refusal.value) == message


def test_settings_can_be_handed_to_another_process() -> None:
    options = settings.parse(["--port", "8002", "--gpu-layers", "auto", "--kv-type", "q8_0"], {})
    assert settings.parse(settings.as_arguments(options), {}) == options


def test_the_name_that_guides_use_is_understood_too() -> None:
    assert settings.parse([], {"MODEL_PATH": "models/my.gguf"}).model == "models/my.gguf"
    assert settings.parse([], {"MODEL_PATH": "my.gguf", "QWEN_VL_MODEL": "demo"}).model == "demo"
