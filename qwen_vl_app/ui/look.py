"""How the page looks: theme with the system's own fonts (nothing is fetched) and the style sheet."""

from pathlib import Path

import gradio as gr

CSS = "".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("page.css", "model.css", "region.css")
)
FONTS = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def theme() -> gr.themes.Base:
    """A calm theme, light and dark."""
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        radius_size="lg",
        font=[gr.themes.Font(name) for name in FONTS],
        font_mono=[gr.themes.Font(name) for name in MONO],
    ).set(
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        input_placeholder_color="*neutral_500",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_800",
        block_border_width="1px",
        block_shadow="none",
        block_label_background_fill="transparent",
    )
